"""What a Pod's manifest asks for is what its processes find."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually, pod

pytestmark = pytest.mark.real


def sh(cluster: Cluster, name: str, script: str, *words: str) -> str:
    """What a script prints in a Pod, without the last line break."""
    return cluster.kubectl("exec", name, *words, "--", "sh", "-c", script).ok().out.removesuffix("\n")


def status_of(cluster: Cluster, name: str) -> Any:
    (status,) = cluster.json("get", "pod", name)["status"]["containerStatuses"]
    return status


def phase(cluster: Cluster, name: str, wanted: str, seconds: int = 20) -> None:
    cluster.kubectl("wait", f"--for=jsonpath={{.status.phase}}={wanted}", f"pod/{name}", f"--timeout={seconds}s").ok()


# environment


@pytest.fixture(scope="module")
def data(cluster: Cluster) -> None:
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "conf"},
            "data": {"colour": "red", "app.conf": "x"},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"password": "s3cret"}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "data-base"},
            "spec": {"clusterIP": "10.96.3.3", "ports": [{"name": "main", "port": 5432}]},
        },
    )


def field(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


@pytest.fixture(scope="module")
def environment(cluster: Cluster, data: None) -> dict[str, str]:
    """The environment that a container found."""
    env = [
        {"name": "PLAIN", "value": "plain"},
        {"name": "COMPOSED", "value": "$(PLAIN)-and-$(NONE)-and-$$(PLAIN)"},
        {"name": "NAME", "valueFrom": field("metadata.name")},
        {"name": "NAMESPACE", "valueFrom": field("metadata.namespace")},
        {"name": "UID", "valueFrom": field("metadata.uid")},
        {"name": "LABEL", "valueFrom": field("metadata.labels['app']")},
        {"name": "NODE", "valueFrom": field("spec.nodeName")},
        {"name": "ACCOUNT", "valueFrom": field("spec.serviceAccountName")},
        {"name": "POD_IP", "valueFrom": field("status.podIP")},
        {"name": "HOST_IP", "valueFrom": field("status.hostIP")},
        {"name": "MILLIS", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
        {"name": "MEBI", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "colour"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k", "optional": True}}},
    ]
    container = {
        "env": env,
        "envFrom": [{"configMapRef": {"name": "conf"}}, {"prefix": "S_", "secretRef": {"name": "keys"}}],
        "resources": {"requests": {"cpu": "150m"}, "limits": {"memory": "64Mi", "cpu": "1"}},
        "workingDir": "/var/log",
        "command": ["sh", "-c", 'env; echo "ARGS=$*"; echo "WHERE=$(pwd)"'],
        "args": ["zero", "$(COLOUR)", "$(UNKNOWN)"],
    }
    cluster.create(pod("environment", restartPolicy="Never", container=container))
    phase(cluster, "environment", "Succeeded")
    lines = cluster.kubectl("logs", "environment").ok().out.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLAIN", "plain"),
        ("COMPOSED", "plain-and-$(NONE)-and-$(PLAIN)"),
        ("NAME", "environment"),
        ("NAMESPACE", "default"),
        ("LABEL", "environment"),
        ("NODE", "pods"),
        ("ACCOUNT", "default"),
        ("MILLIS", "150"),
        ("MEBI", "64"),
        ("COLOUR", "red"),
        ("PASSWORD", "s3cret"),
        ("colour", "red"),
        ("S_password", "s3cret"),
        ("HOSTNAME", "environment"),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
        ("DATA_BASE_SERVICE_HOST", "10.96.3.3"),
        ("DATA_BASE_SERVICE_PORT_MAIN", "5432"),
        ("DATA_BASE_PORT_5432_TCP", "tcp://10.96.3.3:5432"),
        ("ARGS", "red $(UNKNOWN)"),
        ("WHERE", "/var/log"),
    ],
)
def test_the_environment_of_a_container(environment: dict[str, str], name: str, value: str) -> None:
    assert environment.get(name) == value


def test_what_only_the_running_pod_knows_is_in_its_environment(cluster: Cluster, environment: dict[str, str]) -> None:
    made = cluster.json("get", "pod", "environment")
    assert environment["UID"] == made["metadata"]["uid"]
    assert environment["POD_IP"].startswith("10.244.0.")
    assert environment["HOST_IP"] == made["status"]["hostIP"]
    assert "MAYBE" not in environment


def test_a_reference_to_a_missing_key_is_told_until_it_is_there(cluster: Cluster) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "x"}}}]
    cluster.create(pod("wants", "sleep", "infinity", container={"env": env}))

    def waiting() -> Any:
        return cluster.kubectl("get", "pod", "wants").out.find("CreateContainerConfigError") > 0

    eventually(waiting, 10, "CreateContainerConfigError")
    assert 'configmap "late" not found' in status_of(cluster, "wants")["state"]["waiting"]["message"]
    cluster.kubectl("create", "configmap", "late", "--from-literal=x=y").ok()
    cluster.wait_ready("wants")
    assert sh(cluster, "wants", "echo $X") == "y"


def test_a_variable_comes_from_a_file_that_an_init_container_wrote(cluster: Cluster) -> None:
    def of_file(key: str, **more: Any) -> dict[str, Any]:
        return {"fileKeyRef": {"volumeName": "v", "path": "deep/set.env", "key": key, **more}}

    env = [{"name": "X", "valueFrom": of_file("COLOUR")}, {"name": "Y", "valueFrom": of_file("NONE", optional=True)}]
    script = "mkdir /v/deep; echo \"COLOUR='dark red'\" > /v/deep/set.env"
    mounts = [{"name": "v", "mountPath": "/v"}]
    writes = {"name": "writes", "image": "host:1", "command": ["sh", "-c", script], "volumeMounts": mounts}
    volumes = [{"name": "v", "emptyDir": {}}]
    reads = pod("reads", "sh", "-c", "echo $X ${Y-none}", restartPolicy="Never", container={"env": env})
    reads["spec"] |= {"initContainers": [writes], "volumes": volumes}
    cluster.create(reads)
    phase(cluster, "reads", "Succeeded")
    assert cluster.kubectl("logs", "reads", "-c", "c").ok().out == "dark red none\n"


# resources


def test_a_container_over_its_memory_limit_is_killed_and_says_so(cluster: Cluster) -> None:
    greedy = {"resources": {"limits": {"memory": "32Mi"}}}
    hog = "data = bytearray(200_000_000); data[::4096] = b'x' * len(data[::4096]); print('survived')"
    cluster.create(pod("greedy", "python3", "-c", hog, restartPolicy="Never", container=greedy))
    phase(cluster, "greedy", "Failed")
    ended = status_of(cluster, "greedy")["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert "OOMKilled" in cluster.kubectl("get", "pod", "greedy").out


def test_a_cpu_limit_slows_a_busy_container(cluster: Cluster) -> None:
    slow = {"resources": {"limits": {"cpu": "100m"}}}
    busy = "import time\nb=time.monotonic()\nwhile time.monotonic()-b < 2: pass\nprint(time.process_time())"
    cluster.create(pod("slow", "python3", "-c", busy, restartPolicy="Never", container=slow))
    phase(cluster, "slow", "Succeeded")
    assert float(cluster.kubectl("logs", "slow").ok().out) < 0.8


# volumes


@pytest.fixture(scope="module")
def furnished(cluster: Cluster, data: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Pod with a volume of each type."""
    on_host = tmp_path_factory.mktemp("on-host")
    (on_host / "file").write_text("from the host\n")
    mounts = {
        "scratch": "/scratch",
        "memory": "/memory",
        "conf": "/conf",
        "keys": "/keys",
        "down": "/down",
        "host": "/host",
    }
    token = {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 3600}}
    volumes = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}},
        {"name": "conf", "configMap": {"name": "conf", "items": [{"key": "colour", "path": "deep/colour"}]}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "down", "downwardAPI": {"items": [{"path": "labels"} | field("metadata.labels")]}},
        {"name": "host", "hostPath": {"path": str(on_host), "type": "Directory"}},
        {
            "name": "all",
            "projected": {"sources": [token, {"configMap": {"name": "conf"}}, {"secret": {"name": "keys"}}]},
        },
    ]
    container = {
        "volumeMounts": [
            *({"name": name, "mountPath": path} for name, path in mounts.items()),
            {"name": "all", "mountPath": "/all", "readOnly": True},
            {"name": "scratch", "mountPath": "/part", "subPath": "part/of/it"},
            {"name": "conf", "mountPath": "/etc/app/colour", "subPath": "deep/colour"},
            {"name": "scratch", "mountPath": "/named", "subPathExpr": "for-$(ME)"},
        ],
        "env": [{"name": "ME", "valueFrom": field("metadata.name")}],
    }
    cluster.create(pod("furnished", "sleep", "infinity", container=container, volumes=volumes))
    cluster.wait_ready("furnished")
    return "furnished"


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("echo x > /scratch/f && cat /scratch/f && stat -c %a /scratch", "x\n777"),
        ("stat -f -c %T /memory", "tmpfs"),
        ("head -c 3000000 /dev/zero > /memory/f 2>/dev/null || echo full; rm /memory/f", "full"),
        ("cat /conf/deep/colour; readlink /conf/deep", "red..data/deep"),
        ("cat /keys/password; stat -L -c %a /keys/password", "s3cret400"),
        ("cat /down/labels", 'app="furnished"'),
        ("cat /host/file", "from the host"),
        ("cat /all/password /all/colour; ls /all", "s3cretredapp.conf\ncolour\npassword\ntoken"),
        ("touch /all/x 2>/dev/null || echo read-only", "read-only"),
        ("echo y > /part/g; cat /scratch/part/of/it/g", "y"),
        ("cat /etc/app/colour", "red"),
        ("touch /named/f; ls /scratch/for-furnished", "f"),
    ],
)
def test_a_volume_shows_what_it_should(cluster: Cluster, furnished: str, script: str, answer: str) -> None:
    assert sh(cluster, furnished, script) == answer


def test_a_changed_configmap_reaches_the_volume_but_not_a_subpath(cluster: Cluster, furnished: str) -> None:
    cluster.kubectl("patch", "configmap", "conf", "-p", '{"data":{"colour":"blue"}}').ok()
    eventually(lambda: sh(cluster, furnished, "cat /conf/deep/colour") == "blue", 10, "the volume shows the change")
    assert sh(cluster, furnished, "cat /all/colour /etc/app/colour") == "bluered"
    cluster.kubectl("patch", "configmap", "conf", "-p", '{"data":{"colour":"red"}}').ok()
    eventually(lambda: sh(cluster, furnished, "cat /all/colour") == "red", 10, "and back")


def test_a_changed_label_reaches_the_downward_api(cluster: Cluster, furnished: str) -> None:
    cluster.kubectl("label", "pod", furnished, "later=yes").ok()
    eventually(lambda: 'later="yes"' in sh(cluster, furnished, "cat /down/labels"), 10, "the label is in the file")


def test_a_pod_waits_for_a_missing_volume_source_and_says_so(cluster: Cluster) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "configMap": {"name": "not-yet"}}]
    cluster.create(pod("patient", "sleep", "infinity", container=mounts, volumes=volumes))
    told = 'MountVolume.SetUp failed for volume "v" : configmap "not-yet" not found'
    eventually(lambda: told in cluster.kubectl("describe", "pod", "patient").out, 10, "the event")
    eventually(lambda: "ContainerCreating" in cluster.kubectl("get", "pod", "patient").out, 5, "its status")
    cluster.kubectl("create", "configmap", "not-yet", "--from-literal=a=b").ok()
    cluster.wait_ready("patient")


ASK = """
import json, ssl, urllib.request
base = "/var/run/secrets/kubernetes.io/serviceaccount"
token, namespace = open(f"{base}/token").read(), open(f"{base}/namespace").read()
tls = ssl.create_default_context(cafile=f"{base}/ca.crt")
url = f"https://kubernetes.default/api/v1/namespaces/{namespace}/pods/asks"
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
print(json.load(urllib.request.urlopen(request, context=tls, timeout=10))["metadata"]["name"])
"""


def test_the_token_in_a_pod_opens_the_api_at_its_own_name(cluster: Cluster) -> None:
    """Once a binding lets it; by itself an account may nothing."""
    may = ("auth", "can-i", "get", "pods", "--as=system:serviceaccount:default:default")
    assert cluster.kubectl(*may).out == "no\n"
    cluster.kubectl("create", "rolebinding", "asks", "--clusterrole=view", "--serviceaccount=default:default").ok()
    eventually(lambda: cluster.kubectl(*may).out == "yes\n", 5, "allowed")
    cluster.create(pod("asks", "python3", "-c", ASK, restartPolicy="Never"))
    phase(cluster, "asks", "Succeeded")
    assert cluster.kubectl("logs", "asks").ok().out == "asks\n"


def test_a_pod_that_wants_no_token_has_none(cluster: Cluster) -> None:
    cluster.create(pod("bare", "sleep", "infinity", automountServiceAccountToken=False))
    cluster.wait_ready("bare")
    assert sh(cluster, "bare", "ls /var/run/secrets 2>/dev/null | wc -l") == "0"


# identity and confinement


def test_users_groups_and_modes_are_as_asked(cluster: Cluster) -> None:
    context = {"runAsUser": 1234, "runAsGroup": 2345, "fsGroup": 3456, "supplementalGroups": [4567]}
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "emptyDir": {}}]
    cluster.create(pod("somebody", "sleep", "infinity", securityContext=context, container=mounts, volumes=volumes))
    cluster.wait_ready("somebody")
    assert sh(cluster, "somebody", "id -u; id -g; id -G") == "1234\n2345\n2345 3456 4567"
    assert sh(cluster, "somebody", "touch /v/f && stat -c '%u %g' /v/f") == "1234 3456"
    assert sh(cluster, "somebody", "touch /etc/x 2>/dev/null || echo no") == "no"


def test_run_as_non_root_refuses_root_and_says_so(cluster: Cluster) -> None:
    cluster.create(pod("careful", "sleep", "infinity", securityContext={"runAsNonRoot": True}))
    eventually(lambda: "CreateContainerConfigError" in cluster.kubectl("get", "pod", "careful").out, 10, "refused")
    message = status_of(cluster, "careful")["state"]["waiting"]["message"]
    assert "container has runAsNonRoot and image will run as root" in message


def test_a_read_only_root_and_dropped_capabilities_hold(cluster: Cluster) -> None:
    context = {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    cluster.create(pod("confined", "sleep", "infinity", container={"securityContext": context}))
    cluster.wait_ready("confined")
    assert sh(cluster, "confined", "touch /x 2>/dev/null || echo read-only") == "read-only"
    assert sh(cluster, "confined", "grep CapEff /proc/self/status").split()[1] == f"{1 << 10:016x}"


def test_an_ordinary_container_cannot_mount_or_see_the_host(cluster: Cluster, box: str) -> None:
    assert sh(cluster, box, "mount -t tmpfs none /mnt 2>/dev/null || echo no") == "no"
    assert sh(cluster, box, "cat /proc/1/cmdline | tr '\\0' ' '").strip() == "sleep infinity"
    assert sh(cluster, box, "touch /proc/sys/kernel/panic 2>/dev/null || echo no") == "no"
    assert sh(cluster, box, "hostname") == "box"


def test_host_network_and_host_pid_are_the_nodes(cluster: Cluster, box: str) -> None:
    cluster.create(pod("inside", "sleep", "infinity", hostNetwork=True, hostPID=True))
    cluster.wait_ready("inside")
    made = cluster.json("get", "pod", "inside")["status"]
    assert made["podIP"] == made["hostIP"]
    mine = sh(cluster, "inside", "readlink /proc/self/ns/net")
    assert mine != sh(cluster, box, "readlink /proc/self/ns/net")
    assert "podling.keeper" in sh(cluster, "inside", "tr '\\0' ' ' < /proc/1/cmdline")


def test_names_in_etc_hosts_and_the_hostname_are_the_pods(cluster: Cluster) -> None:
    aliases = [{"ip": "10.1.2.3", "hostnames": ["alias.example"]}]
    cluster.create(pod("named", "sleep", "infinity", hostname="custom", subdomain="sub", hostAliases=aliases))
    cluster.wait_ready("named")
    assert sh(cluster, "named", "hostname") == "custom"
    hosts = sh(cluster, "named", "cat /etc/hosts")
    assert "10.1.2.3\talias.example" in hosts
    assert "custom.sub.default.svc.cluster.local" in hosts


def test_dns_config_is_obeyed(cluster: Cluster) -> None:
    dns = {"nameservers": ["10.9.9.9"], "searches": ["my.example"], "options": [{"name": "ndots", "value": "2"}]}
    cluster.create(pod("resolves", "sleep", "infinity", dnsPolicy="None", dnsConfig=dns))
    cluster.wait_ready("resolves")
    found = sh(cluster, "resolves", "cat /etc/resolv.conf").split("\n")
    assert sorted(found) == ["nameserver 10.9.9.9", "options ndots:2", "search my.example"]
