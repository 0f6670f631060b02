#!/usr/bin/env python3
"""Read a model as docs/model-format.md describes it, sharing no code with pgforest.

    read_model.py FILE.model...           print what is in it, and its trees
    read_model.py --check FILE.model...   compare bins and predictions with FILE.txt

Needs a zstd module for Python or the zstd command.
"""
import math
import struct
import subprocess
import sys

MASK = (1 << 64) - 1
BLOCK = 1 << 20
MISSING = 255


def decompress(frame):
    for module in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            return __import__(module, fromlist=["decompress"]).decompress(frame)
        except ImportError:
            pass
    return subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout


def mix(x):
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def combine(state, value):
    return mix((state * 0x9E3779B97F4A7C15 + value) & MASK)


def hash_bytes(data):
    state = 0xE7037ED1A0B428DB ^ len(data)
    for at in range(0, len(data), 8):
        state = combine(state, int.from_bytes(data[at:at + 8], "little"))
    return mix(state)


def unpack(data):
    """The format version and the payload of a model's bytes."""
    magic, version, zeros, length, checksum = struct.unpack("<8sH6sQQ", data[:32])
    assert magic == b"PGFOREST" and version in (1, 2) and zeros == bytes(6) and length > 0
    at, payload, state = 32, bytearray(), 0x9AE16A3B2F90404F
    while len(payload) < length:
        size = int.from_bytes(data[at:at + 4], "little")
        block = decompress(data[at + 4:at + 4 + size])
        assert len(block) == min(BLOCK, length - len(payload))
        state = combine(state, hash_bytes(block))
        payload += block
        at += 4 + size
    assert at == len(data) and state == checksum
    return version, bytes(payload)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert size <= len(self.data) - self.at
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def reals(self, count):
        return list(struct.unpack("<%dd" % count, self.take(8 * count)))

    def text(self):
        return self.take(self.number(4))


def exp2(x):
    return math.exp2(x) if hasattr(math, "exp2") else 2.0 ** x


def planes(n):
    return next((p for p in (1, 2, 3) if n <= 1 << 8 * p), 4)


class Model:
    def __init__(self, data):
        version, payload = unpack(data)
        r = Reader(payload)
        self.kind = {1: "forest", 2: "boosting", 3: "isolation", 4: "linear"}[r.number(1)]
        self.task = {1: "classification", 2: "regression", 3: "anomaly"}[r.number(1)]
        self.columns = []
        for _ in range(r.number(4)):
            kind, length = r.number(1), r.number(4)
            self.columns.append((r.text().decode(), kind, length))
        self.bins = []
        for _, kind, length in self.columns:
            for _ in range(length or 1):
                assert r.number(1) == kind
                nbins = r.number(2)
                if kind == 1:
                    self.bins.append((kind, nbins, r.reals(max(nbins - 1, 0))))
                else:
                    pairs = [(r.text(), r.number(1)) for _ in range(r.number(4))]
                    assert pairs == sorted(pairs)
                    self.bins.append((kind, nbins, dict(pairs)))
        self.classes = [r.text().decode() for _ in range(r.number(4))]
        self.importance = r.reals(len(self.bins))
        width = len(self.classes) or 1
        self.base = [0.0] * width
        if self.kind == "boosting":
            self.link = ("identity", "exp", "logistic", "softmax")[r.number(1)]
            self.base = r.reals(width if self.link == "softmax" else 1)
            width = 1
        if self.kind == "isolation":
            self.path, self.threshold = r.reals(2)
        if self.kind == "linear":
            self.read_linear(r)
        else:
            rows = r.number(4)
            flat = r.reals(rows * width)
            self.leaves = [flat[i * width:(i + 1) * width] for i in range(rows)]
            self.read_trees(r)
        self.calibration = None
        self.values = []
        for _ in range(r.number(4) if version > 1 else 0):
            self.read_section(r)
        assert all(node[0] == "leaf" or node[2] != MISSING for tree in self.trees for node in tree)
        assert r.at == len(r.data)

    def read_linear(self, r):
        self.trees = []
        outputs = len(self.classes) if len(self.classes) > 2 else 1
        self.link = "softmax" if outputs > 1 else "logistic" if self.classes else "identity"
        widths = [(1 if kind == 1 else nbins) + 1 for kind, nbins, _ in self.bins]
        self.base = r.reals(outputs)
        self.coefficients = [[r.reals(width) for width in widths] for _ in range(outputs)]

    def read_section(self, r):
        tag, length = r.number(1), r.number(8)
        start = r.at
        if tag != 1:
            {2: self.read_samples, 3: self.read_sets}[tag](r)
            assert r.at - start == length
            return
        assert tag == 1 and self.calibration is None
        self.calibration = {1: "sigmoid", 2: "isotonic"}[r.number(1)]
        self.curves = []
        for _ in range(len(self.classes) if len(self.classes) > 2 else 1):
            n = 1 if self.calibration == "sigmoid" else r.number(4)
            flat = r.reals(2 * n)
            self.curves.append(list(zip(flat[::2], flat[1::2])))
        assert r.at - start == length

    def read_samples(self, r):
        assert not self.values and self.kind == "forest" and not self.classes
        self.least, self.most = r.number(2), r.number(2)
        self.values = r.reals(r.number(4))
        assert self.values == sorted(set(self.values))
        counts = list(r.take(sum((len(tree) + 1) // 2 for tree in self.trees)))
        parts = [r.take(sum(counts)) for _ in range(planes(len(self.values)))]
        ranks = [sum(byte << 8 * p for p, byte in enumerate(bytes)) for bytes in zip(*parts)]
        self.samples = []						# of each tree: those of each node, a leaf's or all below
        for tree in self.trees:
            below = [[] for _ in tree]
            for at, node in enumerate(tree):		# preorder: leaves from left to right
                if node[0] == "leaf":
                    n = counts.pop(0)
                    below[at] = [self.values[rank] for rank in ranks[:n]]
                    del ranks[:n]
            for at in reversed(range(len(tree))):
                if tree[at][0] == "node":
                    below[at] = below[at + 1] + below[tree[at][4]]
            assert below[0]
            self.samples.append(below)

    def read_sets(self, r):
        for node in (node for tree in self.trees for node in tree if node[0] == "node" and node[2] == MISSING):
            nbins = self.bins[node[1]][1]
            bits = r.number((nbins + 7) // 8)
            assert self.kind == "boosting" and self.bins[node[1]][0] == 2 and 0 < nbins and bits < 1 << nbins
            node[2] = {bin for bin in range(nbins) if bits >> bin & 1}

    def read_trees(self, r):
        sizes = [r.number(4) for _ in range(r.number(4))]
        nodes = sum(sizes)
        inner = sum((n - 1) // 2 for n in sizes)
        is_leaf = r.take((nodes + 7) // 8)
        missing_left = r.take((inner + 7) // 8)
        feature = [r.take(inner) for _ in range(planes(len(self.bins)))]
        threshold = r.take(inner)
        leaf = [r.take(nodes - inner) for _ in range(planes(len(self.leaves)))]
        n = i = j = 0

        def bit(bits, k):
            return bits[k // 8] >> k % 8 & 1

        def join(parts, k):
            return sum(part[k] << 8 * p for p, part in enumerate(parts))

        self.trees = []
        for size in sizes:
            tree, waiting = [], []			# waiting: inner nodes whose right child is to come
            while len(tree) < size:
                if bit(is_leaf, n):
                    tree.append(("leaf", join(leaf, j)))
                    j += 1
                    if waiting:
                        tree[waiting.pop()][4] = len(tree)
                else:
                    waiting.append(len(tree))
                    tree.append(["node", join(feature, i), threshold[i], bit(missing_left, i), None])
                    i += 1
                n += 1
            assert not waiting
            self.trees.append(tree)

    def bin(self, feature, value):
        kind, nbins, table = self.bins[feature]
        if kind == 2:
            return table.get(value, MISSING)
        if nbins == 0 or math.isnan(value):
            return MISSING
        return sum(cut < value for cut in table)

    def predict(self, row):
        shares = self.predict_raw(row)
        return self.calibrate(shares) if self.calibration else shares

    def next(self, tree, at, row):
        _, feature, threshold, missing_left, right = tree[at]
        bin = row[feature]
        left = (missing_left if bin == MISSING
                else bin in threshold if isinstance(threshold, set) else bin <= threshold)
        return at + 1 if left else right

    def quantile(self, row, share):
        weights = {}
        for tree, samples in zip(self.trees, self.samples):
            at = 0
            while tree[at][0] == "node":
                child = self.next(tree, at, row)
                n = len(samples[child])
                if n == 0 or n < self.least and len(samples[at]) <= self.most:
                    break
                at = child
            for value in samples[at]:
                weights[value] = weights.get(value, 0) + (1 << 32) // len(samples[at])
        total = sum(weights.values())
        below = 0
        for value in sorted(weights):
            below += weights[value]
            if float(below) >= share * float(total):
                return value

    def predict_raw(self, row):
        if self.kind == "linear":
            return self.apply_link([self.add_up(k, row) for k in range(len(self.base))])
        total = list(self.base)
        for number, tree in enumerate(self.trees):
            at = 0
            while tree[at][0] == "node":
                at = self.next(tree, at, row)
            leaf = self.leaves[tree[at][1]]
            if self.kind == "boosting":
                total[number % len(total)] += leaf[0]
            else:
                total = [a + b for a, b in zip(total, leaf)]
        if self.kind == "forest":
            return [a / len(self.trees) for a in total]
        if self.kind == "isolation":
            mean = total[0] / len(self.trees)
            return [exp2(-(mean / self.path if self.path > 0 else 1))]
        return self.apply_link(total)

    def add_up(self, output, row):
        total = self.base[output]
        for value, (kind, nbins, _), terms in zip(row, self.bins, self.coefficients[output]):
            if kind == 2:
                total += terms[int(value) if 0 <= value < nbins else nbins]
            else:
                total += terms[1] if math.isnan(value) else terms[0] * value
        return total

    def calibrate(self, shares):
        if len(self.curves) == 1:
            share = self.follow(self.curves[0], shares[1])
            return [1 - share, share]
        shares = [self.follow(curve, share) for curve, share in zip(self.curves, shares)]
        total = 0.0
        for share in shares:
            total += share
        return [share / total if total > 0 else 1 / len(shares) for share in shares]

    def follow(self, curve, share):
        if self.calibration == "sigmoid":
            z = curve[0][0] * share + curve[0][1]
            tail = math.exp(-abs(z))
            return 1 / (1 + tail) if z >= 0 else tail / (1 + tail)
        if not share > curve[0][0]:
            return curve[0][1]
        for (x, y), (next_x, next_y) in zip(curve, curve[1:]):
            if share < next_x:
                return y + (next_y - y) * ((share - x) / (next_x - x))
        return curve[-1][1]

    def row(self, data):
        """A row of the .txt files: bins, or the values of a linear model."""
        return struct.unpack("<%dd" % len(self.bins), data) if self.kind == "linear" else data

    def apply_link(self, total):
        if self.link == "identity":
            return total
        total = [min(max(a, -700.0), 700.0) for a in total]
        if self.link == "exp":
            return [math.exp(total[0])]
        if self.link == "logistic":
            share = 1 / (1 + math.exp(-total[0]))
            return [1 - share, share]
        powers = [math.exp(a - max(total)) for a in total]
        total = 0.0
        for power in powers:			# sum() of newer Pythons rounds less
            total += power
        return [power / total for power in powers]

    def show(self):
        print(self.kind, self.task, *self.classes)
        if self.kind == "boosting":
            print("link", self.link, "from", *("%.17g" % base for base in self.base))
        if self.kind == "isolation":
            print("average path %.17g, threshold %.17g" % (self.path, self.threshold))
        if self.kind == "linear":
            for base, terms in zip(self.base, self.coefficients):
                print("intercept %.17g" % base)
                for f, values in enumerate(terms):
                    print("feature %d:" % f, *("%.17g" % value for value in values))
        if self.calibration:
            print(self.calibration, *self.curves)
        if self.values:
            print("samples of %d values, at least %d of a node, at most %d" %
                  (len(self.values), self.least, self.most))
        for (name, kind, length) in self.columns:
            print("column", repr(name), "number" if kind == 1 else "category", length or "")
        for f, (kind, nbins, table) in enumerate(self.bins):
            print("feature %d: %d bins, importance %.6f" % (f, nbins, self.importance[f]))
            print("   ", table if kind == 2 else " ".join("%.17g" % cut for cut in table))
        for number, tree in enumerate(self.trees):
            print("tree", number)
            depth = [(0, 0)]
            while depth:
                at, level = depth.pop()
                if tree[at][0] == "leaf":
                    print("  " * level + "leaf", *("%.6g" % v for v in self.leaves[tree[at][1]]))
                    continue
                _, feature, threshold, missing_left, right = tree[at]
                chosen = ("in %s" % sorted(threshold) if isinstance(threshold, set)
                          else "<= %d" % threshold)
                print("  " * level + "feature %d, bin %s%s" %
                      (feature, chosen, " or missing" if missing_left else ""))
                depth += [(right, level + 1), (at + 1, level + 1)]


def check(model, path):
    counts = {"number": 0, "category": 0, "row": 0, "quantile": 0}
    for line in open(path):
        word, *rest = line.split()
        if word == "row":
            expected = [float.fromhex(text) for text in rest[1:]]
            assert model.predict(model.row(bytes.fromhex(rest[0]))) == expected, line
        elif word == "quantile":
            share, expected = map(float.fromhex, rest[1:])
            assert model.quantile(bytes.fromhex(rest[0]), share) == expected, line
        elif word in counts:
            value = float.fromhex(rest[1]) if word == "number" else bytes.fromhex(rest[1][1:])
            assert model.bin(int(rest[0]), value) == int(rest[2]), line
        else:
            continue
        counts[word] += 1
    print(path, "agrees:", ", ".join("%d %s lines" % (n, word) for word, n in counts.items()))


if __name__ == "__main__":
    names = sys.argv[1:]
    for name in names[names[:1] == ["--check"]:]:
        model = Model(open(name, "rb").read())
        if names[0] == "--check":
            check(model, name[:-len("model")] + "txt")
        else:
            model.show()
