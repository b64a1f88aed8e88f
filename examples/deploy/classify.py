"""An exported student on pictures with onnxruntime and Pillow alone: python classify.py student.onnx PICTURE ..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def prepared(name, expected):
    """What the student sees of a picture file, float32 [1, C, H, W] in [0, 1], bit for bit as it was validated.

    Args:
        name: Of the file.
        expected: The card's `input`.
    """
    channels, height, width = expected["shape"]
    picture = ImageOps.exif_transpose(Image.open(name))
    if picture.mode.startswith("I"):  # 16 bits, or as many of them as the values need
        values = np.asarray(picture, np.int64)
        full = next(full for full in (255, 1023, 4095, 16383, 65535) if values.max() <= full)
        picture = Image.fromarray(((values * 255 + full // 2) // full).astype(np.uint8))
    if picture.has_transparency_data:  # laid on white
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    picture = picture.convert("L" if channels == 1 else "RGB")
    wide = min(picture.width, max(1, picture.height * width // height))  # the largest centred part
    high = min(picture.height, max(1, picture.width * height // width))
    left, top = (picture.width - wide) // 2, (picture.height - high) // 2
    picture = picture.crop((left, top, left + wide, top + high))
    picture = picture.resize((width, height), Image.Resampling[expected["interpolation"].upper()])
    pixels = np.asarray(picture, np.float32) * np.float32(1 / 255)
    return pixels.reshape(1, height, width, channels).transpose(0, 3, 1, 2)


if __name__ == "__main__":
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["tutelage"])
    for name in sys.argv[2:]:
        (logits,) = session.run(["logits"], {"pixels": prepared(name, card["input"])})
        print(name, card["classes"][logits[0].argmax()])
