#!/usr/bin/env python3
"""How many of the weight's lines a tile product (docs/decisions/0014-tile-products.md) finds no more in the L1 cache when
it meets the next tokens, by depth of a chunk in steps of 32: a simulation of 48 KB in 12 ways.

A chunk of a panel (P tiles of 1 KB a step) stays in L1 while tiles of the stream (S a step) and 4 KB of sums a product
pass by. `others`: lines a step that belong to neither, such as results and code. Policies: true LRU; pseudo-LRU trees of
four ways, the oldest of three trees first; the same with the trees in a tree."""

LINE, WAYS, SETS = 64, 12, 64
PANEL, STREAM, SUMS, OTHERS = (place << 32 for place in range(1, 5))


class Set:
    """One set: a line's way, and what the policy knows of each way or tree."""

    def __init__(self, policy):
        self.policy, self.ways, self.lines = policy, {}, [None] * WAYS
        self.used, self.tree_used, self.trees, self.top, self.now = [0] * WAYS, [0] * 3, [[0, 0, 0] for _ in range(3)], [0, 0], 0

    def touch(self, way):
        self.now += 1
        tree, leaf = divmod(way, 4)
        self.used[way] = self.tree_used[tree] = self.now
        nodes = self.trees[tree]  # each points to where the victim is
        nodes[0] = 1 if leaf < 2 else 0
        nodes[1 + leaf // 2] = 1 - leaf % 2
        self.top[0] = 1 if tree < 2 else 0
        if tree < 2:
            self.top[1] = 1 - tree

    def victim(self):
        if None in self.lines:
            return self.lines.index(None)
        if self.policy == "LRU":
            return self.used.index(min(self.used))
        tree = self.tree_used.index(min(self.tree_used)) if self.policy == "trees" else 2 if self.top[0] else self.top[1]
        nodes = self.trees[tree]
        return 4 * tree + 2 * nodes[0] + nodes[1 + nodes[0]]

    def access(self, line):
        way = self.ways.get(line)
        hit = way is not None
        if not hit:
            way = self.victim()
            self.ways.pop(self.lines[way], None)
            self.lines[way], self.ways[line] = line, way
        self.touch(way)
        return hit


def misses(policy, panel_tiles, stream_tiles, steps, others):
    """The share of the panel's lines that are read again and are not in L1."""
    cache = [Set(policy) for _ in range(SETS)]
    other = missed = read = 0

    def access(address):
        return cache[address // LINE % SETS].access(address // LINE)

    def pass_over(address, size):
        return sum(not access(address + offset) for offset in range(0, size, LINE))

    products = 32 // stream_tiles
    for chunk in range(4):
        for product in range(products):
            sums = SUMS + (chunk % 2 * products + product) * 4096
            pass_over(sums, 4096)
            for step in range(steps):
                pass_over(STREAM + (product * steps + step) * stream_tiles * 1024, stream_tiles * 1024)
                count = pass_over(PANEL + (chunk * steps + step) * panel_tiles * 1024, panel_tiles * 1024)
                if chunk > 0 and product > 0:
                    missed, read = missed + count, read + panel_tiles * 1024 // LINE
                for _ in range(others):
                    other += 37 * LINE
                    access(OTHERS + other)
            pass_over(sums, 4096)
    return missed / read


def main():
    print("missed, %: LRU, trees, tree of trees; without and with 4 other lines a step")
    for panel_tiles, stream_tiles in ((4, 1), (2, 2)):
        for steps in (4, 5, 6, 7, 8, 10):
            shares = [misses(policy, panel_tiles, stream_tiles, steps, others)
                      for others in (0, 4) for policy in ("LRU", "trees", "tree of trees")]
            print(f"{panel_tiles} x {stream_tiles} tiles, {steps:2} steps: " + " ".join(f"{100 * s:5.1f}" for s in shares))


if __name__ == "__main__":
    main()
