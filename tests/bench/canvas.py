"""A picture to draw on: smooth lines, boxes and letters, and PNG at the end.

Letters are strokes on a grid of 7 by 16, so there is no font to load; a line covers a pixel as far
as it is near. Begin with `Canvas`.
"""

import math
import struct
import zlib

Colour = tuple[int, int, int]

# Each glyph: its width, then polylines of points `xy` in hex digits. The baseline is at y = 4,
# small letters reach 10, capitals and digits 14, and descenders 0. One point twice is a dot.
GLYPHS = {
    "a": "6 6a64 684a2a0806244466",
    "b": "6 0e04 082a4a6866442406",
    "c": "6 694a2a0806244465",
    "d": "6 6e64 684a2a0806244466",
    "e": "6 0767684a2a0806244465",
    "f": "4 5e4e2c24 0a4a",
    "g": "6 6a62402001 684a2a0806244466",
    "h": "6 0e04 082a4a6864",
    "i": "0 0a04 0d0d",
    "j": "2 2a211000 2d2d",
    "k": "5 0e04 075a 2854",
    "l": "0 0e04",
    "m": "8 0a04 081a3a4844 485a7a8884",
    "n": "6 0a04 082a4a6864",
    "o": "6 2a4a6866442406082a",
    "p": "6 0a00 082a4a6866442406",
    "q": "6 6a60 684a2a0806244466",
    "r": "4 0a04 082a4a",
    "s": "5 594a1a090817475655441405",
    "t": "4 1d152444 0a4a",
    "u": "6 0a06244466 6a64",
    "v": "6 0a346a",
    "w": "8 0a2449648a",
    "x": "5 0a54 5a04",
    "y": "6 0a34 6a342100",
    "z": "5 0a5a0454",
    "0": "6 2e4e6c664424060c2e",
    "1": "6 1c3e34",
    "2": "6 0c2e4e6c6a0464",
    "3": "6 0d2e4e6c6b4929 496866442405",
    "4": "6 545e0767",
    "5": "6 6e1e092a4a6866442405",
    "6": "6 5e3e0b06244466684a2a08",
    "7": "6 0e6e24",
    "8": "6 2e4e6c6b49290b0c2e 294967664424060729",
    "9": "6 1434676c4e2e0c0a28486a",
    "B": "6 040e4e6c6b4909 4967664404",
    "K": "6 0e04 6e08 2a64",
    "M": "8 040e478e84",
    "µ": "6 0a00 06244466 6a64",
    "_": "6 0262",
    ".": "0 0404",
    ",": "1 1402",
    ":": "0 0505 0a0a",
    ";": "1 1402 1a1a",
    "/": "5 025e",
    "-": "5 0858",
    " ": "2",
}
GAP = 3.2
TOP = 14


def text_width(text: str, size: float = 1.0) -> float:
    return sum(int(glyph(letter)[0]) + GAP for letter in text) * size - GAP * size


def glyph(letter: str) -> str:
    # What is missing shows as a stroke, so that somebody draws it.
    return GLYPHS.get(letter, "4 0040")


class Canvas:
    """Pixels of three bytes; y grows downward."""

    def __init__(self, width: int, height: int, paper: Colour) -> None:
        self.width, self.height = width, height
        self.pixels = bytearray(bytes(paper) * (width * height))

    def box(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        """A filled rectangle."""
        for y in range(max(top, 0), min(bottom, self.height)):
            start, end = (y * self.width + left) * 3, (y * self.width + right) * 3
            self.pixels[start:end] = bytes(colour) * (right - left)

    def line(self, points: list, colour: Colour, width: float) -> None:
        """A polyline with round ends and corners; one point twice is a dot."""
        covered: dict[int, float] = {}
        for start, end in zip(points, points[1:]):
            self._cover(covered, start, end, width / 2)
        for index, share in covered.items():
            at = index * 3
            for channel in range(3):
                old = self.pixels[at + channel]
                self.pixels[at + channel] = round(old + (colour[channel] - old) * share)

    def text(
        self, x: float, y: float, text: str, colour: Colour, size: float = 1.0, weight: float = 1.4
    ) -> None:
        """A line of text; `y` is the top of its capitals."""
        for letter in text:
            width, *strokes = glyph(letter).split()
            for stroke in strokes:
                points = [
                    (x + int(column, 16) * size, y + (TOP - int(row, 16)) * size)
                    for column, row in zip(stroke[::2], stroke[1::2])
                ]
                self.line(points, colour, weight)
            x += (int(width) + GAP) * size

    def _cover(self, covered: dict[int, float], start: tuple, end: tuple, radius: float) -> None:
        """Notes for each pixel near the segment how much of it lies under it."""
        (x1, y1), (x2, y2) = start, end
        dx, dy = x2 - x1, y2 - y1
        length = dx * dx + dy * dy
        reach = radius + 1
        top = max(0, math.floor(min(y1, y2) - reach))
        bottom = min(self.height - 1, math.ceil(max(y1, y2) + reach))
        for row in range(top, bottom + 1):
            y = row + 0.5
            # Only where the segment passes near this row.
            near = [x1, x2]
            if abs(dy) > 1:
                cuts = ((y - y1 - reach) / dy, (y - y1 + reach) / dy)
                near = [x1 + dx * min(1, max(0, cut)) for cut in cuts]
            left = max(0, math.floor(min(near) - reach))
            right = min(self.width - 1, math.ceil(max(near) + reach))
            for column in range(left, right + 1):
                x = column + 0.5
                along = ((x - x1) * dx + (y - y1) * dy) / length if length else 0
                along = min(1, max(0, along))
                distance = math.hypot(x - x1 - along * dx, y - y1 - along * dy)
                share = radius + 0.5 - distance
                if share > 0:
                    index = row * self.width + column
                    covered[index] = max(covered.get(index, 0), min(1, share))

    def png(self) -> bytes:
        """The picture as a PNG file of true colours."""
        stride = self.width * 3
        rows = (self.pixels[y * stride : (y + 1) * stride] for y in range(self.height))
        # Each row says that it is not filtered.
        data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + chunks


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check
