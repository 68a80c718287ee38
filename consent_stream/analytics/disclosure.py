"""What of a month's counts may be told: a function of each count alone, which says the same of at least five of them.

1. A count below `LEAST` is not told, zero included. Whatever it is from 0 to 19, what is told is the same to the byte.
2. Another one is told as the greatest multiple of `STEP` that is not above it: each number told stands for five counts.
3. A total is the sum of the numbers told, never of the counts. So there is nothing to subtract, and no second cell need
   be hidden to hide a first: the choice of that cell would tell whoever knows how it is chosen (Wong, Fu, Wang, Pei,
   "Minimality Attack in Privacy Preserving Data Publishing", VLDB 2007).
4. The table has the same cells in each month, of whole months that are over, and is made once. There is no other
   window, no filter and no second way of counting, so that no two tables count almost the same people.

Promised: from all tables ever told nobody can tell a hidden count from another below `LEAST`, nor a count told from the
four others; one person more or less changes no cell but those of what that person did. Not promised, and not to be
had without noise: that somebody who already knows all others, or who made up 19 of 20 addresses, learns nothing of the
last one.
"""

from __future__ import annotations

LEAST = 20  # people of a cell
STEP = 5


def told(count: int) -> int | None:
    """A count of people as it may be told; None: fewer than `LEAST`."""
    return None if count < LEAST else count - count % STEP


def total(cells: list[int | None]) -> int | None:
    """Of cells as they are told: at least so many people. None: no cell is told."""
    shown = [each for each in cells if each is not None]
    return sum(shown) if shown else None
