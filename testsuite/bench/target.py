"""target.py -- what a figure must reach: a small language, and the judgement.

    <= 6 ns               everywhere
    <= 6 ns (st 21)       where st takes 21, the reference machine; elsewhere 6/21 of st
    <= 1.04 x raw         a multiple of a peer's figure of the same round
    <= raw + 1 us         a peer's figure and no more than so much
    -                     shown, not judged
"""
import collections
import re

NUMBER = r"\d+(?:\.\d+)?"
PEER = r"[a-z][a-z_]*"
FORMS = [
    ("figure", re.compile(rf"(?P<op><=|>=) (?P<number>{NUMBER}) (?P<unit>\S+)"
                          rf"(?: \((?P<peer>{PEER}) (?P<reference>{NUMBER})\))?")),
    ("multiple", re.compile(rf"(?P<op><=|>=) (?P<number>{NUMBER}) x (?P<peer>{PEER})")),
    ("offset", re.compile(rf"(?P<op><=|>=) (?P<peer>{PEER}) \+ (?P<number>{NUMBER})"
                          r" (?P<unit>\S+)")),
]


class Target(collections.namedtuple("Target", "kind op number unit peer reference")):
    """number and reference are floats; unit, peer and reference may be None."""

    def here(self, is_reference):
        """The target as it stands for this machine."""
        if is_reference or self.reference is None:
            return self
        return Target("multiple", self.op, self.number / self.reference, None, self.peer, None)

    def needs(self):
        """The peer without which there is no judgement, or None."""
        return None if self.kind == "figure" else self.peer

    def measure(self, ours, peer):
        """What is compared with `number`, from the figures of one round; None: no answer."""
        if self.kind == "figure":
            return ours
        if self.kind == "offset":
            return ours - peer
        return ours / peer if peer != 0 else None

    def met(self, middle):
        return middle <= self.number if self.op == "<=" else middle >= self.number

    def __str__(self):
        number = f"{self.number:.4g}"
        if self.kind == "multiple":
            return f"{self.op} {number} x {self.peer}"
        if self.kind == "offset":
            return f"{self.op} {self.peer} + {number} {self.unit}"
        return f"{self.op} {number} {self.unit}"


def parse_target(text):
    """The Target, or None for '-'.  ValueError: not of the language."""
    if text == "-":
        return None
    forms = [(kind, match) for kind, form in FORMS if (match := form.fullmatch(text))]
    if len(forms) != 1 or forms[0][1].groupdict().get("unit") == "x":
        raise ValueError(f"not a target: '{text}'")
    kind, match = forms[0]
    parts = match.groupdict()
    reference = parts.get("reference")
    return Target(kind, parts["op"], float(parts["number"]), parts.get("unit"), parts.get("peer"),
                  float(reference) if reference else None)
