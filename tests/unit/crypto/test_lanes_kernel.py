import numpy as np

from farthing.crypto import chain, lanes_kernel

KEY, WORD = bytes(range(16)), bytes(range(16, 32))


def numbers(raw: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint32]]":
    return np.frombuffer(raw, dtype=">u4").astype(np.uint32)


def test_each_lane_goes_down_by_its_own_gap() -> None:
    lanes = lanes_kernel.LANES
    keys = np.repeat(numbers(KEY)[None, :, None], lanes, axis=2)
    words = np.repeat(numbers(WORD)[None, :, None], lanes, axis=2)
    gaps = np.arange(lanes, dtype=np.uint32)[None, :]
    lanes_kernel.descend(keys, words, gaps + np.uint32(7), gaps)
    for lane in range(lanes):
        found = words[0, :, lane].astype(">u4").tobytes()
        assert found == chain.descend(KEY, WORD, 7 + lane, 7)
