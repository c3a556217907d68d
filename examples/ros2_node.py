"""A ROS 2 node that labels the pictures of a topic. Not yet run: ROS 2 is not on PyPI.

    $ source /opt/ros/jazzy/setup.bash     # in an environment with --system-site-packages
    $ python -m examples.ros2_node models/dataset --ros-args -r image:=/camera/image_raw

It listens to `image` (sensor_msgs/Image) and publishes JSON to `label` (std_msgs/String), with the
time of the picture, such as {"label": "cup", "confidence": 0.97, "stamp": 12.345}. The newest
picture counts: those that come while one is labelled are dropped. Written from the documentation
of rclpy, https://docs.ros.org/en/jazzy/p/rclpy/; all but `main` is tested without it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webcam_classifier import Classifier, find_model

_CHANNELS = {"bgr8": 3, "rgb8": 3, "bgra8": 4, "rgba8": 4, "mono8": 1}


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image that are read here.

    Attributes:
        height: In pixels.
        width: In pixels.
        encoding: Such as `bgr8`, from sensor_msgs/image_encodings.hpp.
        step: Bytes from row to row.
        data: Rows from top to bottom.
    """

    height: int
    width: int
    encoding: str
    step: int
    data: bytes


def picture_of(message: ImageMessage) -> NDArray[np.uint8]:
    """Take the picture out of a message.

    Args:
        message: From a camera's node.

    Returns:
        (height, width, 3) uint8 BGR, as OpenCV and `Classifier` take it.

    Raises:
        ValueError: Its encoding is none of eight bits.
    """
    channels = _CHANNELS.get(message.encoding)
    if channels is None:
        raise ValueError(
            f"pictures are {message.encoding}, and have to be one of {', '.join(_CHANNELS)}"
        )
    rows = np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.step)
    used = rows[:, : message.width * channels]
    pixels = used.reshape(message.height, message.width, channels)
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    order = slice(2, None, -1) if message.encoding.startswith("rgb") else slice(0, 3)
    return np.ascontiguousarray(pixels[:, :, order])


def answer(classifier: Classifier, message: ImageMessage, stamp: float) -> str:
    """Say what is on a message's picture, as JSON.

    Args:
        classifier: Of a taught model.
        message: From a camera's node.
        stamp: Seconds: when the picture was taken.
    """
    prediction = classifier.classify(picture_of(message))
    label = "unknown" if prediction.is_unknown else prediction.label
    confidence = None if prediction.is_unknown else round(float(prediction.confidence), 4)
    return json.dumps({"label": label, "confidence": confidence, "stamp": stamp})


def main() -> None:
    """Run the node until Ctrl-C."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image
    from std_msgs.msg import String

    classifier = Classifier(find_model(Path(sys.argv[1])))
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("taught_camera")
    publisher = node.create_publisher(String, "label", 10)

    def label(message: Image) -> None:
        stamp = message.header.stamp
        text = answer(classifier, message, stamp.sec + stamp.nanosec / 1e9)
        publisher.publish(String(data=text))

    newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Image, "image", label, newest)
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
