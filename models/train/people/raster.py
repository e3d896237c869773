"""What the camera sees of a mesh: for each picture element where it is, its normal, its place on the body at rest."""

from dataclasses import dataclass, fields

import moderngl
import numpy as np

_VERTEX = """#version 330
uniform mat4 view;
in vec3 position; in vec3 normal; in vec3 rest; in float along; in float region;
out vec3 p; out vec3 n; out vec3 r; out float a; flat out float g;
void main() { p = position; n = normal; r = rest; a = along; g = region; gl_Position = view * vec4(position, 1); }"""
_FRAGMENT = """#version 330
in vec3 p; in vec3 n; in vec3 r; in float a; flat in float g;
layout(location=0) out vec4 o0; layout(location=1) out vec4 o1; layout(location=2) out vec4 o2;
void main() { o0 = vec4(p, g); o1 = vec4(gl_FrontFacing ? n : -n, a); o2 = vec4(r, gl_FragCoord.z); }"""
_CAMERA_M = 7.0


@dataclass
class Seen:
    """Arrays (h, w, …), top row first; `region` is 0 where nothing is."""

    position: np.ndarray
    normal: np.ndarray
    rest: np.ndarray
    along: np.ndarray
    region: np.ndarray
    depth: np.ndarray

    def drawn(self):
        """The same as lists of the elements at which something is."""
        where = self.region > 0
        return Seen(*(getattr(self, field.name)[where] for field in fields(self)))


class Raster:
    def __init__(self):
        self._gl = moderngl.create_standalone_context(backend="egl")
        self._gl.enable(moderngl.DEPTH_TEST)
        self._program = self._gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)

    def load(self, thing):
        normals = thing.normals()
        corner = thing.faces.reshape(-1)
        rows = np.concatenate(
            [
                thing.position[corner],
                normals[corner],
                thing.rest[corner],
                thing.along[corner, None],
                np.repeat(thing.region, 3)[:, None],
            ],
            axis=1,
        )
        self._rows = self._gl.buffer(rows.astype("f4").tobytes())
        self._array = self._gl.vertex_array(
            self._program, [(self._rows, "3f 3f 3f 1f 1f", "position", "normal", "rest", "along", "region")]
        )

    def seen(self, view, width, height):
        gl = self._gl
        targets = [gl.texture((width, height), 4, dtype="f4") for _ in range(3)]
        depth = gl.depth_renderbuffer((width, height))
        frame = gl.framebuffer(targets, depth)
        frame.use()
        frame.clear()
        self._program["view"].write(view.T.astype("f4").tobytes())
        self._array.render()
        planes = [np.frombuffer(t.read(), np.float32).reshape(height, width, 4)[::-1] for t in targets]
        for thing in (*targets, depth, frame):
            thing.release()
        length = np.maximum(np.linalg.norm(planes[1][..., :3], axis=2, keepdims=True), 1e-6)
        return Seen(
            planes[0][..., :3],
            planes[1][..., :3] / length,
            planes[2][..., :3],
            planes[1][..., 3],
            planes[0][..., 3].round().astype(int),
            planes[2][..., 3],
        )


def _axes(towards, up=(0, 0, 1)):
    """Rows: right, up, backward of an eye that looks along `towards`."""
    back = -np.array(towards, float) / np.linalg.norm(towards)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back])


def camera(points, azimuth, elevation, tall_px, distance_m=_CAMERA_M):
    """A camera `azimuth` degrees to the left of the person's front, `elevation` above.

    Returns matrix, width, height, and the picture elements of a metre at the person's distance.
    """
    a, e = np.radians((azimuth, elevation))
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    towards = -np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
    axes = _axes(towards)
    eye = centre - towards * distance_m
    local = (points - eye) @ axes.T
    flat = local[:, :2] / -local[:, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = tall_px / max(high - low)
    width, height = (int(np.ceil(side * scale / 4)) * 4 + 8 for side in high - low)
    middle = (low + high) / 2
    near, far = distance_m - 3, distance_m + 3
    project = np.array(
        [
            [2 * scale / width, 0, 2 * scale / width * middle[0], 0],
            [0, 2 * scale / height, 2 * scale / height * middle[1], 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = axes, -axes @ eye
    return project @ place, width, height, scale / distance_m


def light(points, towards):
    """Matrix of a far light that shines along `towards`, its picture square."""
    axes = _axes(towards, (0.0, 0.1, 1.0))
    local = points @ axes.T
    low, high = local.min(axis=0) - 0.05, local.max(axis=0) + 0.05
    matrix = np.eye(4)
    scale = 2 / (high - low) * (1, 1, -1)
    matrix[:3, :3] = axes * scale[:, None]
    matrix[:3, 3] = -(low + high) / 2 * scale
    return matrix
