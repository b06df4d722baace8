"""A viewer in the browser, served to this machine alone: the mesh to orbit, or the field, rendered as you turn."""

import re
import threading
from typing import TYPE_CHECKING

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..radiance.cameras import pinhole
from ..radiance.volume import Volume

if TYPE_CHECKING:
    import viser

HOST = "127.0.0.1"
SIZE = 128  # pixels a side of the rendered field; a CPU has to follow the mouse


def serve(volume: Volume, text: str, mesh: trimesh.Trimesh | None, port: int = 8080) -> "viser.ViserServer":
    """Start a viser server on 127.0.0.1; it runs in the background until `.stop()`.

    Raises ValueError, in one sentence, if viser is not installed.
    """
    try:
        import viser
    except ImportError as error:
        raise ValueError("the viewer needs viser: pip install 'dreamtext[view]', or use --page") from error
    server = viser.ViserServer(host=HOST, port=port, verbose=False)
    server.gui.set_panel_label("dreamtext")
    server.scene.set_up_direction("+z")
    server.gui.add_markdown(f"{plain(text)}\n\nDrag to turn, scroll to come nearer.")
    handle = None
    if mesh is not None:
        unit = mesh.copy()
        unit.vertices = (unit.vertices - np.array(volume.world.centre)) / volume.world.scale
        handle = server.scene.add_mesh_trimesh("/mesh", unit)
    live = server.gui.add_checkbox("Render the field", initial_value=mesh is None)
    one_at_a_time, waiting = threading.Lock(), {}  # clients by their number, whose view is no longer what they see

    def draw(client: "viser.ClientHandle") -> None:
        waiting[client.client_id] = client
        while waiting and one_at_a_time.acquire(blocking=False):  # else who draws now draws this one, too
            try:
                for number in list(waiting):
                    client = waiting.pop(number)
                    picture = frame(volume, client.camera) if live.value else None
                    client.scene.set_background_image(picture, format="jpeg")
            finally:
                one_at_a_time.release()

    @live.on_update
    def _(_) -> None:
        if handle is not None:
            handle.visible = not live.value
        for client in server.get_clients().values():
            draw(client)

    @server.on_client_connect
    def _(client: "viser.ClientHandle") -> None:
        client.camera.position, client.camera.look_at = (2.6, 0.6, 0.9), (0.0, 0.0, 0.0)
        client.camera.on_update(lambda _: draw(client) if live.value else None)

    return server


def plain(text: str) -> str:
    """A text as Markdown that shows it letter by letter, whatever it holds: viser passes HTML on to the browser.

    >>> plain("a <b> mug")
    'a \\\\<b\\\\> mug'
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def frame(volume: Volume, camera: "viser.CameraHandle") -> NDArray[np.uint8]:
    """What the field shows to a camera of viser (OpenCV's axes), as bytes (H, W, 3) as wide as the window."""
    w, x, y, z = camera.wxyz
    turn = Rotation.from_quat([x, y, z, w]).as_matrix() @ np.diag([1.0, -1.0, -1.0])  # to OpenGL's axes
    pose = torch.tensor(np.column_stack([turn, camera.position]), dtype=torch.float32)
    square = volume.pictures(pinhole(pose[None], float(np.degrees(camera.fov))).around(*volume.world), SIZE)[0]
    wide = max(round(SIZE * camera.aspect), 1)
    edge = square[0, 0].expand(SIZE, max(wide, SIZE), 3).clone()  # the field stands in the middle of a wide window
    start = (edge.shape[1] - SIZE) // 2
    edge[:, start : start + SIZE] = square
    if wide < SIZE:
        cut = (SIZE - wide) // 2
        edge = edge[:, cut : cut + wide]
    return (edge.numpy() * 255).round().astype(np.uint8)
