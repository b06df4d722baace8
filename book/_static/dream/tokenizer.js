/* Words become numbers: CLIP's byte-pair encoding, with the small vocabulary of the toybox. */
function tokenizerModule() {
  "use strict";
  const PIECES = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu;

  /* A letter that can be printed for each of the 256 bytes: itself where it can be, else one from beyond 255. */
  function letters() {
    const printed = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    let beyond = 256;
    return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printed(byte) ? byte : beyond++));
  }

  /* tokens: {vocabulary, merges, start, end, length}. Gives a function text -> `length` numbers, filled up with `end`. */
  function tokenizer({ vocabulary, merges, start, end, length }) {
    const letter = letters(), encoder = new TextEncoder();
    const rank = new Map(merges.map((pair, i) => [pair.join(" "), i]));
    const special = new Map([["<|startoftext|>", start], ["<|endoftext|>", end]]);

    /* One word: of all neighbours the pair that was learned first is joined, until none is known. */
    function split(word) {
      const parts = Array.from(encoder.encode(word), (byte) => letter[byte]);
      parts[parts.length - 1] += "</w>";
      for (;;) {
        let best = Infinity, at = -1;
        for (let i = 0; i + 1 < parts.length; i++) {
          const r = rank.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity;
          if (r < best) [best, at] = [r, i];
        }
        if (at < 0) return parts;
        const pair = parts.slice(at, at + 2);
        for (let i = at; i + 1 < parts.length; i++) {
          if (parts[i] === pair[0] && parts[i + 1] === pair[1]) parts.splice(i, 2, pair.join(""));
        }
      }
    }

    return (text) => {
      const words = text.normalize("NFC").replace(/\s+/g, " ").toLowerCase().match(PIECES) ?? [];
      const ids = words.flatMap((word) => special.get(word) ?? split(word).map((part) => vocabulary[part] ?? end));
      const count = ids.length + 2;
      if (count > length) {
        const why = "a word that it does not know is spelled in many";
        throw new Error(`The text “${text}” is ${count} tokens long and the model takes ${length}; shorten it (${why}).`);
      }
      return [start, ...ids, ...Array(length - count + 1).fill(end)];
    };
  }

  return { tokenizer };
}
