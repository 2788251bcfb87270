"""SageMaker's control plane: stateful, slow, eventually consistent, and as strict as botocore's model of it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.deploy import moto_side
from tests.deploy.access import Access, allows
from tests.deploy.container import LIGHT, Container
from tests.deploy.registry import DOCKER, Registry
from tests.deploy.transforms import Transforms
from tests.deploy.wire import answer_faults, request_faults

PAGE = 3  # small, so that every listing has several pages
NO_PING = (
    "The primary container for production variant main did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)
BUSY = ("Creating", "Updating", "RollingBack", "Deleting")


class Refusal(Exception):
    """What AWS answers instead: a code and a sentence."""

    def __init__(self, sentence: str, code: str = "ValidationException") -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


def naive(when: datetime) -> datetime:
    """The same in moto's way, without a zone."""
    return when.replace(tzinfo=None)


@dataclass
class Item:
    """A model, a configuration or an endpoint."""

    kind: str
    name: str
    arn: str
    content: dict[str, Any]
    tags: dict[str, str]
    made: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Running:
    """What an endpoint is doing: its state, the looks until the next one, what serves and what is to serve."""

    config: str
    status: str = "Creating"
    looks: int = 0
    container: Container | None = None
    next_config: str = ""
    next_container: Container | None = None
    failure: str = ""
    instances: int | None = None
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))
    stale: int = 0
    alarms: tuple[str, ...] = ()
    watched: int = 0
    turn: int = 0

    def chosen(self) -> Container:
        """The container for the next invocation: while alarms watch, every second one is the new one's."""
        self.turn += 1
        canary = self.next_container if self.watched and self.turn % 2 else None
        serving = canary or self.container
        assert serving is not None
        return serving

    def touch(self, stale: int = 0) -> None:
        """Something changes now; the next `stale` descriptions do not show it."""
        self.modified = max(datetime.now(UTC), self.modified + timedelta(milliseconds=1))
        self.stale = stale


@dataclass
class Plane:
    """The state. `slowness` is how many looks a change takes, `lag` how often a new thing is not seen yet.

    `stale` is how many descriptions after an update still show what was before it, `silent` that a rollback gives no
    reason, and `canary` how many looks the alarms watch.
    """

    account: str
    region: str
    registry: Registry
    command: Sequence[str] = LIGHT
    slowness: int = 1
    lag: int = 0
    stale: int = 0
    silent: bool = False
    canary: int = 20
    elastic_inference: bool = False
    quotas: dict[str, int] = field(default_factory=dict)
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sins: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transforms = Transforms(self)

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """What SageMaker answers. Raises Refusal; a request that breaks botocore's model is also a sin."""
        if faults := request_faults(operation, request):
            self.sins += faults
            raise Refusal("; ".join(faults))
        answer: dict[str, Any] = self.operation(operation)(**request) or {}
        self.sins += [f"{operation} answers {fault}" for fault in answer_faults(operation, answer)]
        return answer

    def operation(self, name: str) -> Any:
        """What does it: SageMaker is too large for one class."""
        return getattr(self, name, None) or getattr(self.transforms, name)

    def close(self) -> None:
        """Ends everything that runs."""
        for run in list(self.running.values()):
            self.stop(run)
        for job in list(self.transforms.jobs.values()):
            self.transforms.stop(job)

    # Models

    def CreateModel(
        self, ModelName: str, PrimaryContainer: dict[str, Any], ExecutionRoleArn: str, Tags: list[Any], **network: Any
    ) -> Any:
        self.new("model", ModelName)
        if not moto_side.assumable(self.account, ExecutionRoleArn) or self.not_seen(f"role {ExecutionRoleArn}"):
            raise Refusal(
                f"Could not assume role {ExecutionRoleArn}. Please ensure that the role exists and allows principal "
                "'sagemaker.amazonaws.com' to assume the role."
            )
        if moto_side.artifact(self.account, PrimaryContainer["ModelDataUrl"]) is None:
            raise Refusal(f"Could not find model data at {PrimaryContainer['ModelDataUrl']}.")
        self.check_image(PrimaryContainer["Image"])
        content = {"PrimaryContainer": PrimaryContainer, "ExecutionRoleArn": ExecutionRoleArn, **network}
        return {"ModelArn": self.keep("model", ModelName, content, Tags)}

    def check_image(self, uri: str) -> None:
        """Refuses what SageMaker refuses of an image of this account; AWS's own are as they should be."""
        if not uri.startswith(self.account):
            return
        image = self.registry.find(uri)
        if image is None:
            raise Refusal(f"Requested image {uri} not found.")
        if image.media_type != DOCKER:
            raise Refusal(f"Unsupported manifest media type {image.media_type}")

    def DescribeModel(self, ModelName: str) -> Any:
        item = self.find("model", ModelName)
        return {"ModelName": item.name, "ModelArn": item.arn, "CreationTime": item.made, **item.content}

    def DeleteModel(self, ModelName: str) -> None:
        del self.items["model", self.find("model", ModelName).name]

    def ListModels(self, **query: Any) -> Any:
        return self.listing("model", "Models", "Model", query)

    # Configurations

    def CreateEndpointConfig(
        self, EndpointConfigName: str, ProductionVariants: list[Any], Tags: list[Any], **storage: Any
    ) -> Any:
        self.new("endpoint-config", EndpointConfigName)
        for variant in ProductionVariants:
            self.find("model", variant["ModelName"], lagging=True)
            if "AcceleratorType" in variant and not self.elastic_inference:
                raise Refusal("Amazon Elastic Inference is no longer available.")
        content = {"ProductionVariants": ProductionVariants, **storage}
        arn = self.keep("endpoint-config", EndpointConfigName, content, Tags)
        return {"EndpointConfigArn": arn}

    def DescribeEndpointConfig(self, EndpointConfigName: str) -> Any:
        item = self.find("endpoint-config", EndpointConfigName)
        return {
            "EndpointConfigName": item.name,
            "EndpointConfigArn": item.arn,
            "CreationTime": item.made,
            **item.content,
        }

    def DeleteEndpointConfig(self, EndpointConfigName: str) -> None:
        del self.items["endpoint-config", self.find("endpoint-config", EndpointConfigName).name]
        if any(EndpointConfigName in (run.config, run.next_config) for run in self.running.values()):
            self.sins.append(f"{EndpointConfigName} was deleted while an endpoint used it")

    def ListEndpointConfigs(self, **query: Any) -> Any:
        return self.listing("endpoint-config", "EndpointConfigs", "EndpointConfig", query)

    # Endpoints

    def CreateEndpoint(self, EndpointName: str, EndpointConfigName: str, Tags: list[Any]) -> Any:
        self.new("endpoint", EndpointName)
        self.find("endpoint-config", EndpointConfigName, lagging=True)
        self.check_quota(EndpointConfigName)
        self.running[EndpointName] = Running(
            "", looks=self.slowness, next_config=EndpointConfigName, next_container=self.start(EndpointConfigName)
        )
        return {"EndpointArn": self.keep("endpoint", EndpointName, {}, Tags)}

    def UpdateEndpoint(
        self,
        EndpointName: str,
        EndpointConfigName: str,
        RetainAllVariantProperties: bool = False,
        ExcludeRetainedVariantProperties: Sequence[Any] = (),
        DeploymentConfig: dict[str, Any] | None = None,
    ) -> Any:
        item, run = self.find("endpoint", EndpointName), self.still(EndpointName)
        if run.status != "InService":
            raise Refusal(f"Cannot update endpoint in status {run.status}.")
        self.find("endpoint-config", EndpointConfigName, lagging=True)
        before, after = self.variant(run.config), self.variant(EndpointConfigName)
        if "InstanceType" in before and "ServerlessConfig" in after:
            raise Refusal("Updating an endpoint with instances to serverless is not supported.")
        scaled = moto_side.is_scaled(self.account, self.region, EndpointName)
        if before.get("InstanceType") != after.get("InstanceType") and scaled:
            raise Refusal("Deregister the variant from auto scaling before its instance type is changed.")
        self.check_quota(EndpointConfigName)
        alarms = self.guarding(run, DeploymentConfig or {})
        self.before[EndpointName] = self.description(item, run)
        run.touch(self.stale)
        run.status, run.looks, run.failure, run.alarms, run.watched = "Updating", self.slowness, "", alarms, 0
        run.next_config, run.next_container = EndpointConfigName, self.start(EndpointConfigName)
        excluded = {"VariantPropertyType": "DesiredInstanceCount"} in ExcludeRetainedVariantProperties
        if not RetainAllVariantProperties or excluded or "ServerlessConfig" in before:
            run.instances = after.get("InitialInstanceCount")
        return {"EndpointArn": item.arn}

    def guarding(self, run: Running, deployment: dict[str, Any]) -> tuple[str, ...]:
        """The alarms of a deployment, which have to be there; a canary needs two instances."""
        routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
        if routing.get("Type") == "CANARY" and (run.instances or 0) < 2:
            raise Refusal("The canary size exceeds 50 percent of the variant's capacity.")
        alarms = tuple(a["AlarmName"] for a in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", ()))
        if missing := set(alarms) - set(moto_side.alarms(self.account, self.region)):
            raise Refusal(f"Could not find alarms {missing}.")
        return alarms

    def DescribeEndpoint(self, EndpointName: str) -> Any:
        item, run = self.find("endpoint", EndpointName), self.running[EndpointName]
        if run.stale > 0:
            run.stale -= 1
            return self.before[EndpointName]
        self.advance(EndpointName, run)
        if EndpointName not in self.running:
            raise self.missing("endpoint", EndpointName)
        return self.description(item, run)

    def description(self, item: Item, run: Running) -> dict[str, Any]:
        """The endpoint as it is now."""
        times = {"CreationTime": item.made, "LastModifiedTime": run.modified}
        about = {"EndpointName": item.name, "EndpointArn": item.arn, "EndpointStatus": run.status, **times}
        about["EndpointConfigName"] = run.config or run.next_config
        if run.config:
            counts = (
                {}
                if run.instances is None
                else dict.fromkeys(("CurrentInstanceCount", "DesiredInstanceCount"), run.instances)
            )
            about["ProductionVariants"] = [{"VariantName": self.variant(run.config)["VariantName"], **counts}]
        return about | ({"FailureReason": run.failure} if run.failure else {})

    def UpdateEndpointWeightsAndCapacities(self, EndpointName: str, DesiredWeightsAndCapacities: list[Any]) -> Any:
        item, run = self.find("endpoint", EndpointName), self.still(EndpointName)
        self.before[EndpointName] = self.description(item, run)
        run.touch(self.stale)
        run.instances = DesiredWeightsAndCapacities[0]["DesiredInstanceCount"]
        run.status, run.looks = "Updating", self.slowness
        return {"EndpointArn": item.arn}

    def DeleteEndpoint(self, EndpointName: str) -> None:
        self.find("endpoint", EndpointName)
        run = self.still(EndpointName)
        run.status, run.looks = "Deleting", self.slowness

    def ListEndpoints(self, **query: Any) -> Any:
        return self.listing("endpoint", "Endpoints", "Endpoint", query)

    # Tags

    def AddTags(self, ResourceArn: str, Tags: list[Any]) -> Any:
        self.by_arn(ResourceArn).tags.update({tag["Key"]: tag["Value"] for tag in Tags})
        return {"Tags": Tags}

    def ListTags(self, ResourceArn: str) -> Any:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self.by_arn(ResourceArn).tags.items()]}

    # What moves

    def advance(self, name: str, run: Running) -> None:
        """One look closer to the next state; a container is waited for as long as it lives."""
        if run.status not in BUSY:
            return
        if run.next_container:
            self.log(name, run.next_container)
        if run.looks > 0:
            run.looks -= 1
        elif run.status == "Deleting":
            self.stop(run)
            del self.running[name], self.items["endpoint", name]
        elif run.next_container is None:
            run.status = "InService"
        elif run.next_container.failed:
            self.give_up(name, run, run.next_container)
        elif not run.next_container.ping():
            return
        elif run.alarms and run.watched < self.canary:
            run.watched += 1
            if fired := [a for a in run.alarms if moto_side.fires(self.account, self.region, a, naive(run.modified))]:
                self.give_up(name, run, run.next_container, f"Alarms {fired} are in ALARM state.")
        else:
            self.take_over(run)

    def take_over(self, run: Running) -> None:
        """The new container serves; the old one goes."""
        if run.container:
            run.container.stop()
        elif run.instances is None:
            run.instances = self.variant(run.next_config).get("InitialInstanceCount")
        run.config, run.container = run.next_config, run.next_container
        run.next_config, run.next_container, run.status = "", None, "InService"
        run.touch()

    def give_up(self, name: str, run: Running, container: Container, reason: str = NO_PING) -> None:
        """The new container died: a new endpoint is Failed, an updated one goes back to what it ran."""
        if container.failed:
            container.reader.join(10)
        self.log(name, container)
        container.stop()
        run.touch()
        run.failure = "" if self.silent else reason
        run.next_container = None
        if run.container is None:
            run.status = "Failed"
        else:
            run.status, run.looks, run.next_config = "RollingBack", self.slowness, ""

    def log(self, name: str, container: Container) -> None:
        """Writes what the container has said since the last time."""
        lines = container.lines[container.logged :]
        container.logged += len(lines)
        if lines:
            moto_side.write_log(self.account, self.region, f"/aws/sagemaker/Endpoints/{name}", lines)

    def start(self, config: str) -> Container:
        """A container with the artifact that the configuration's model names."""
        model = self.items["model", self.variant(config)["ModelName"]]
        artifact = moto_side.artifact(self.account, model.content["PrimaryContainer"]["ModelDataUrl"])
        assert artifact is not None
        return Container(self.command, artifact)

    def stop(self, run: Running) -> None:
        """Ends what an endpoint runs."""
        for container in (run.container, run.next_container):
            if container:
                container.stop()

    # What is there

    def new(self, kind: str, name: str) -> None:
        if (kind, name) in self.items:
            raise Refusal(f'Cannot create already existing {kind} "{self.arn(kind, name)}".')

    def keep(self, kind: str, name: str, content: dict[str, Any], tags: list[Any]) -> str:
        arn = self.arn(kind, name)
        self.items[kind, name] = Item(kind, name, arn, content, {tag["Key"]: tag["Value"] for tag in tags})
        return arn

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"

    def find(self, kind: str, name: str, lagging: bool = False) -> Item:
        if (kind, name) not in self.items or (lagging and self.not_seen(f"{kind} {name}")):
            raise self.missing(kind, name)
        return self.items[kind, name]

    def not_seen(self, what: str) -> bool:
        """Whether AWS does not see a thing yet: true for the first `lag` times."""
        self.unseen[what] += 1
        return self.unseen[what] <= self.lag

    def missing(self, kind: str, name: str) -> Refusal:
        words = {"endpoint-config": "endpoint configuration"}.get(kind, kind)
        return Refusal(f'Could not find {words} "{self.arn(kind, name)}".')

    def still(self, name: str) -> Running:
        run = self.running[name]
        if run.status in BUSY:
            raise Refusal(f'Cannot update in-progress endpoint "{self.arn("endpoint", name)}".')
        return run

    def variant(self, config: str) -> dict[str, Any]:
        item = self.items.get(("endpoint-config", config))
        return item.content["ProductionVariants"][0] if item else {"VariantName": "main"}

    def check_quota(self, config: str) -> None:
        variant = self.variant(config)
        self.check_count(variant.get("InstanceType", ""), variant.get("InitialInstanceCount", 0), "endpoint")

    def check_count(self, machine: str, wanted: int, usage: str) -> None:
        if wanted > self.quotas.get(machine, 4):
            raise Refusal(
                f"The account-level service limit '{machine} for {usage} usage' is {self.quotas[machine]} Instances, "
                f"with current utilization of 0 Instances and a request delta of {wanted} Instances.",
                "ResourceLimitExceeded",
            )

    def check_role(self, role: str, action: str, arn: str) -> None:
        """A sin where a role may not do what a job does in its name; roles that others made may do all."""
        documents = moto_side.role_documents(self.account, role)
        access = Access(action, arn, {"aws:ResourceAccount": self.account})
        if not all(allows([document], access) for document in documents):
            self.sins.append(f"{role} may not {action} {arn}")

    def refusal(self, sentence: str) -> Refusal:
        """A refusal for the classes beside this one."""
        return Refusal(sentence)

    def by_arn(self, arn: str) -> Item:
        for item in self.items.values():
            if item.arn == arn:
                return item
        raise Refusal(f"Could not find resource {arn}: it does not exist.")

    def listing(self, kind: str, key: str, prefix: str, query: dict[str, Any]) -> Any:
        """One page, newest first."""
        found = [i for i in self.items.values() if i.kind == kind and query.get("NameContains", "") in i.name][::-1]
        start = int(query.get("NextToken", 0))
        page = [self.summary(item, prefix) for item in found[start : start + PAGE]]
        more = {"NextToken": str(start + PAGE)} if len(found) > start + PAGE else {}
        return {key: page, **more}

    def summary(self, item: Item, prefix: str) -> dict[str, Any]:
        about = {f"{prefix}Name": item.name, f"{prefix}Arn": item.arn, "CreationTime": item.made}
        if item.kind == "transform-job":
            about["TransformJobStatus"] = self.transforms.jobs[item.name].status
        if item.kind == "endpoint":
            about |= {"LastModifiedTime": item.made, "EndpointStatus": self.running[item.name].status}
        return about
