"""Talk to a server that ``gdinousam serve`` started: needs httpx, numpy and Pillow, and neither torch nor a GPU.

>>> from gdinousam.client import Client
>>> client = Client("http://127.0.0.1:8000")
>>> prediction = client.segment("scan.png", "thyroid nodule")
>>> [one.phrase for one in prediction.detections]
['thyroid nodule']
"""

from gdinousam.client.answers import ClipFrame, Prediction
from gdinousam.client.client import Client
from gdinousam.client.connection import ServerError

__all__ = ["Client", "ClipFrame", "Prediction", "ServerError"]
