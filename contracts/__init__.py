"""What the processes agree on; imports none of them."""

import os

# Official wheels of ONNX Runtime otherwise tell Microsoft about this machine and its models. It is
# asked once, when the library is loaded, so it has to be said before anybody can load it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
