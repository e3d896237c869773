"""The assignment problem: pair rows with columns so that the sum of the pairs' values is the greatest. Exact.

Shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957; in the form of Jonker and Volgenant 1987): one
path per row, each step over all columns at once. A picture has tens of tracks, for which a package of 120 MB that has
this function among others is too much on a device.
"""

import numpy as np
from numpy.typing import NDArray


def assign(value: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The pairs (row, column), by row, of the greatest sum in `value`, (rows, columns); min(rows, columns) of them.

    Raises:
        ValueError: a value is not finite.
    """
    if not np.isfinite(value).all():
        raise ValueError("the assignment problem wants finite values")
    if value.shape[0] > value.shape[1]:
        return sorted((row, column) for column, row in assign(value.T))
    rows, columns = value.shape
    # Column `columns` is where every path begins; `row_of` says which row a column belongs to, -1 for none.
    cost = -np.asarray(value, np.float64)
    row_price, price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns + 1, -1)
    for row in range(rows):
        before = _path(cost, row, row_price, price, row_of)
        column = int(before[-1])
        while column != columns:  # give every column of the path to the row of the one before it
            row_of[column] = row_of[before[column]]
            column = int(before[column])
    return sorted((int(row), column) for column, row in enumerate(row_of[:-1]) if row >= 0)


def _path(
    cost: NDArray[np.float64],
    row: int,
    row_price: NDArray[np.float64],
    price: NDArray[np.float64],
    row_of: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The cheapest path from `row` to a free column: the column before each column, and the last one at the end.

    Changes both prices so that no pair costs less than its prices say and chosen pairs cost exactly that.
    """
    columns = len(price)
    row_of[columns] = row
    least, before = np.full(columns, np.inf), np.full(columns + 1, columns)
    done = np.zeros(columns, np.bool_)
    column = columns
    while row_of[column] >= 0:
        here = row_of[column]
        if column != columns:
            done[column] = True
        reduced = cost[here] - row_price[here] - price
        nearer = ~done & (reduced < least)
        least[nearer], before[:-1][nearer] = reduced[nearer], column
        column = int(np.argmin(np.where(done, np.inf, least)))
        step = least[column]
        row_price[row_of[:-1][done]] += step
        row_price[row] += step
        price[done] -= step
        least[~done] -= step
    before[-1] = column
    return before
