"""What programs in Python do: dictionaries, strings, classes, generators, sorting, regular expressions, JSON, big integers."""
import hashlib
import json
import re
import sys


class Account:
    __slots__ = ("name", "balance", "log")

    def __init__(self, name):
        self.name, self.balance, self.log = name, 0, []

    def move(self, amount):
        self.balance += amount
        if amount > 90:
            self.log.append(amount)


def words(n):
    seed = 12345
    for _ in range(n):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        yield "w%03d" % (seed >> 16 & 511)


def sieve(n):
    flags = bytearray([1]) * (n + 1)
    for i in range(2, int(n**0.5) + 1):
        if flags[i]:
            flags[i * i :: i] = bytes(len(range(i * i, n + 1, i)))
    return sum(flags) - 2


def main(n):
    counts = {}
    for word in words(n):
        counts[word] = counts.get(word, 0) + 1
    top = sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))[:20]

    accounts = [Account(f"a{i}") for i in range(50)]
    for i in range(n):
        accounts[i * 7 % 50].move(i % 100)
    text = json.dumps([{"name": a.name, "balance": a.balance, "log": a.log[:50]} for a in accounts])
    back = json.loads(text)
    found = re.findall(r"a(\d)\d*", text)

    big = 1
    for i in range(1, 400):
        big *= i
    digest = hashlib.sha256(text.encode()).hexdigest()
    matrix = [[(i * j) % 7 for j in range(30)] for i in range(30)]
    square = [[sum(a * b for a, b in zip(row, col)) for col in zip(*matrix)] for row in matrix]
    print(top[:3], sum(a["balance"] for a in back), len(found), len(str(big)), sieve(n * 4), square[3][5], digest)


main(int(sys.argv[1]) if len(sys.argv) > 1 else 30000)
