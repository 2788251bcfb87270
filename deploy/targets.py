"""What an endpoint can run on: one row each. Adding a target is adding a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

INPUT_SIZE = 512  # what a model folder that does not say has
ONNX = ("*.onnx",)
MXNET = ("*.params", "*-symbol.json")

X86 = ("c5", "c5d", "c6i", "c7i", "m5", "m5d", "m6i", "m7i", "r5", "r5d", "r6i", "r7i", "t2")
GRAVITON = ("c6g", "c6gd", "c6gn", "c7g", "c8g", "m6g", "m6gd", "m8g", "r6g", "r6gd", "r8g")
GPU = ("g4dn", "g5", "p3", "p4d")  # what the image's CUDA 11.2 knows: neither older (p2) nor newer (g6, p5)
NVME = ("c5d", "c6gd", "g4dn", "g5", "m5d", "m6gd", "p4d", "r5d", "r6gd")  # disks that SageMaker cannot encrypt

# Where AWS keeps its images (source: SageMaker Python SDK, image_uri_config/mxnet.json).
IMAGE_ACCOUNT = "763104351884"
IMAGE_ACCOUNTS = dict.fromkeys(
    (
        *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1"),
        *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    ),
    IMAGE_ACCOUNT,
) | {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
    "us-iso-east-1": "886529160074",
    "us-isob-east-1": "094389454867",
}
SUFFIXES = {"cn-": "amazonaws.com.cn", "us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov"}

ELASTIC_INFERENCE_ENDED = (
    "AWS no longer offers Elastic Inference: it was closed to new customers on 15 April 2023 and withdrawn since: AWS "
    "refuses this target. `--target cpu` replaces it: the same weights and boxes on a plain CPU, through ONNX."
)

TOOLKIT = {"SAGEMAKER_PROGRAM": "inference.py"}


@dataclass(frozen=True)
class Target:
    """A way to run the detector: which image, on what, reading which weights.

    `families` are the instance families that fit; empty means serverless. `image` is AWS's repository:tag, and none
    means that the operator names an image of ours. `weights` are the file patterns that its engine reads.
    `requirements` is what the image lacks for weights without a symbol file; its toolkit installs it at every start.
    """

    name: str
    title: str
    instance_type: str | None
    families: tuple[str, ...]
    weights: tuple[str, ...]
    image: str | None = None
    accelerator: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    requirements: str = ""

    @property
    def serverless(self) -> bool:
        """Whether AWS chooses the machine and bills by the millisecond."""
        return not self.families

    @property
    def payload_limit(self) -> int:
        """The largest request in bytes that SageMaker takes."""
        return 4 * 1024 * 1024 if self.serverless else 6_291_456

    @property
    def architecture(self) -> str:
        """The processor that the container is built for, as docker names it."""
        return "arm64" if set(self.families) & set(GRAVITON) else "amd64"


def registry(region: str) -> str | None:
    """The host where AWS keeps its images in a region, or None for a region where it keeps none that we know of."""
    account = IMAGE_ACCOUNTS.get(region)
    return account and f"{account}.dkr.ecr.{region}.{dns_suffix(region)}"


def dns_suffix(region: str) -> str:
    """What AWS's host names in a region end with."""
    return next((suffix for begin, suffix in SUFFIXES.items() if region.startswith(begin)), "amazonaws.com")


TARGETS = {
    target.name: target
    for target in (
        Target("cpu", "our image on a CPU", "ml.c6i.large", X86, ONNX),
        Target("graviton", "our image on Graviton", "ml.c7g.large", GRAVITON, ONNX),
        Target("serverless", "our image, serverless", None, (), ONNX),
        Target(
            "gpu",
            "AWS's MXNet image on a GPU",
            "ml.g4dn.xlarge",
            GPU,
            MXNET,
            image="mxnet-inference:1.9.0-gpu-py38",
            environment=TOOLKIT,
            requirements="gluoncv==0.10.5.post0",
        ),
        Target(
            "mxnet",
            "AWS's MXNet image on a CPU",
            "ml.c6i.large",
            X86,
            MXNET,
            image="mxnet-inference:1.9.0-cpu-py38",
            environment=TOOLKIT,
            requirements="gluoncv==0.10.5.post0",
        ),
        Target(
            "eia",
            "AWS's MXNet image with Elastic Inference (withdrawn by AWS)",
            "ml.c5.large",
            X86,
            MXNET,
            image="mxnet-inference-eia:1.7.0-cpu-py3",
            accelerator="ml.eia2.medium",
            environment=TOOLKIT,
            requirements="gluoncv==0.6.0",
        ),
    )
}

ACCELERATORS = tuple(
    f"ml.{generation}.{size}" for generation in ("eia1", "eia2") for size in ("medium", "large", "xlarge")
)
