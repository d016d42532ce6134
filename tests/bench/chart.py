# SPDX-License-Identifier: LGPL-2.1-or-later
"""Line charts with two logarithmic axes, as SVG: the same numbers give the same bytes."""

import html
import math

COLOURS = ("#1f5fa8", "#b7791f", "#2f7d57", "#a23b3b", "#6b4fa0", "#52606d")
STYLE = """
    .frame { fill: #ffffff; stroke: #52606d; }
    .grid { stroke: #e4e7eb; }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
    .limit { stroke: #1f2933; stroke-dasharray: 6 4; }
    .head { font-weight: bold; font-size: 15px; }
    .small { font-size: 12px; fill: #3e4c59; }
    .mid { text-anchor: middle; }
    .end { text-anchor: end; }"""


def text(x, y, words, kind=""):
    return f'  <text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html.escape(words)}</text>'


class Panel:
    """x and y: (least, most, [(value, words)]) of each axis."""

    def __init__(self, place, title, x, y):
        self.left, self.top, self.width, self.height = place
        self.x, self.y = x, y
        self.parts = [f'  <rect class="frame" x="{self.left}" y="{self.top}" width="{self.width}" '
                      f'height="{self.height}"/>', text(self.left, self.top - 12, title, "head")]
        for value, words in x[2]:
            at = self.across(value)
            self.parts += [f'  <path class="grid" d="M{at:.1f},{self.top} v{self.height}"/>',
                           text(at, self.top + self.height + 17, words, "small mid")]
        for value, words in y[2]:
            at = self.up(value)
            self.parts += [f'  <path class="grid" d="M{self.left},{at:.1f} h{self.width}"/>',
                           text(self.left - 7, at + 4, words, "small end")]

    def across(self, value):
        least, most, _ = self.x
        return self.left + self.width * math.log(max(value, least) / least) / math.log(most / least)

    def up(self, value):
        least, most, _ = self.y
        return self.top + self.height * (1 - math.log(max(value, least) / least) / math.log(most / least))

    def line(self, points, colour):
        way = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in points)
        self.parts.append(f'  <polyline class="line" stroke="{COLOURS[colour]}" points="{way}"/>')
        return self

    def dots(self, points, colour):
        self.parts += [f'  <circle cx="{self.across(x):.1f}" cy="{self.up(y):.1f}" r="3.5" fill="{COLOURS[colour]}"/>'
                       for x, y in points]
        return self.line(points, colour)

    def limit(self, value, words):
        at = self.up(value)
        self.parts += [f'  <path class="limit" d="M{self.left},{at:.1f} h{self.width}"/>',
                       text(self.left + self.width - 6, at - 5, words, "small end")]


def legend(names, left, top, step):
    parts = []
    for index, name in enumerate(names):
        x = left + index * step
        parts += [f'  <path class="line" stroke="{COLOURS[index]}" d="M{x},{top} h24"/>',
                  text(x + 30, top + 4, name, "small")]
    return parts


def document(width, height, title, made_by, parts):
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8"?>', "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->",
        f"<!-- Made by {made_by}: do not edit. -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"',
        '     font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif" font-size="14" fill="#1f2933">',
        f"  <title>{html.escape(title)}</title>", f"  <style>{STYLE}\n  </style>",
        f'  <rect width="{width}" height="{height}" fill="#ffffff"/>', *parts, "</svg>", ""])
