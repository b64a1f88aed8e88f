"""The digits against those of scikit-learn."""

from tutelage.data import DATASETS, sources, turnstile


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    digits = load_digits()
    scale = {tuple(image.astype(int).flatten().tolist()): label for image, label in zip(digits.images, digits.target)}
    found = {}
    with turnstile.passing("a test"):
        splits = (sources.read("digits", None), sources.read_test("digits", None))
    assert [len(images) for images, *_ in splits] == [DATASETS["digits"].train, DATASETS["digits"].test]
    for images, labels, classes in splits:
        assert classes == tuple("0123456789")
        sixteenths = (images.double() / 255 * 16).round().long()
        assert ((images.double() / 255 * 16) - sixteenths).abs().max() <= 16 / 255 / 2
        for image, label in zip(sixteenths.flatten(1).tolist(), labels.tolist()):
            found[tuple(image)] = label
    assert found == scale


def test_digits_become_bytes_by_rounding():
    images, _, _ = sources.read("digits", None)
    assert images.unique().tolist() == [round(v * 255 / 16 + 1e-9) for v in range(17)]
