"""Whatever goes wrong, as one sentence and a status: a user's mistake 1, interrupted 130, a fault of ours 70."""

from errno import ENOSPC

FAULT = 70  # 'internal software error' in sysexits.h


def explain(error: BaseException) -> tuple[int, str]:
    """Status and sentence for an error that ended a command."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        return 130, "stopped"
    if isinstance(error, UnicodeError):
        return 1, f"a text cannot be read or written as UTF-8 ({text})"
    if isinstance(error, OSError):
        if error.errno == ENOSPC:
            return 1, "the disk is full; free some space, then begin again, or go on with --resume if a run was saved"
        return 1, f"{error.strerror or text}: '{error.filename}'" if error.filename else text or type(error).__name__
    if out_of_memory(error):
        return 1, "there is not enough memory for this; ask for smaller pictures, fewer samples or a smaller batch"
    if isinstance(error, ImportError):
        return 1, f"a part of the installation is missing or broken ({text}); see 'dreamtext doctor'"
    if isinstance(error, ValueError) and text:
        return 1, text
    return FAULT, (
        f"this is a fault of dreamtext, not yours: {type(error).__name__}: {text[:300] or 'no words'};"
        " DREAMTEXT_TRACEBACK=1 shows where"
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the CPU (torch raises a plain RuntimeError there) or on a GPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(
        w in str(error).lower() for w in ("out of memory", "allocate memory")
    )
