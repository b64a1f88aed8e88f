"""An exported student on pictures with onnxruntime and Pillow alone: python classify.py student.onnx PICTURE ..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
card = json.loads(session.get_modelmeta().custom_metadata_map["tutelage"])
channels, height, width = card["input"]["shape"]
resampling = Image.Resampling[card["input"]["interpolation"].upper()]

for name in sys.argv[2:]:
    picture = ImageOps.exif_transpose(Image.open(name)).convert("L" if channels == 1 else "RGB")
    picture = ImageOps.fit(picture, (width, height), resampling)  # the largest centred part, resized
    pixels = np.asarray(picture, np.float32).reshape(1, height, width, channels).transpose(0, 3, 1, 2) / 255
    (logits,) = session.run(["logits"], {"pixels": pixels})
    print(name, card["classes"][logits[0].argmax()])
