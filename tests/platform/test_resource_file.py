"""The forms of ``resource.json``, which the platform does not document, and what is understood of each."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialmaker.platform.resource_entries import UnclearError
from trialmaker.platform.resource_file import read

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
BOTH = "10.0.0.1:2222, 10.0.0.2:2222"  # 2222 is the port where the file names none


@pytest.mark.parametrize(
    ("content", "instances"),
    [
        # objects, under any of the usual key names
        ([{"ip": A, "port": 1}, {"ip": B, "port": 2}], "10.0.0.1:1, 10.0.0.2:2"),
        ({"instances": [{"ip": A, "port": "2222"}, {"ip": B, "port": "2222"}]}, BOTH),
        ({"instances": [{"instanceIp": A}, {"instanceIp": B}]}, BOTH),
        ({"Nodes": [{"IP_ADDRESS": A, "Port": 2222}, {"IP_ADDRESS": B, "Port": 2222}]}, BOTH),
        ({"data": {"jobId": "j-1", "cpu": 4, "workers": [{"podIP": A}, {"podIP": B}]}}, BOTH),
        ([{"name": "w1", "net": {"host_ip": A, "trainPort": 2222}}, {"name": "w2", "net": {"host_ip": B}}], BOTH),
        ([{"host": "w1", "ip": A, "sshPort": 22}, {"host": "w2", "ip": B, "sshPort": 22}], BOTH),
        ([{"publicIp": "8.8.8.8", "privateIp": A}, {"publicIp": "8.8.4.4", "privateIp": B}], BOTH),
        ([{"endpoint": "grpc://10.0.0.1:2222/"}, {"endpoint": "grpc://10.0.0.2:2222/"}], BOTH),
        ({"gateway": {"ip": "10.0.0.254"}, "servers": [{"addr": A}, {"addr": B}]}, BOTH),
        ({"a": {"IP": A}, "b": [{"host": B}]}, BOTH),
        # texts
        (["10.0.0.1:2222", "10.0.0.2:2222"], BOTH),
        ([A, B], BOTH),
        (["Node-1", "node-2.cluster.local:9"], "node-1:2222, node-2.cluster.local:9"),
        (["[fd00::1]:2222", "fd00::2"], "[fd00::1]:2222, [fd00::2]:2222"),
        ("10.0.0.1:2222,10.0.0.2:2222", BOTH),
        ({"ips": "10.0.0.1, 10.0.0.2", "port": 7}, "10.0.0.1:7, 10.0.0.2:7"),
        ({"instance1": "10.0.0.1:2222", "instance2": "10.0.0.2:2222", "image": "registry:5000"}, BOTH),
        ({"master": A, "workers": [B, C]}, "10.0.0.1:2222, 10.0.0.2:2222, 10.0.0.3:2222"),
        ({"workers": [A, B], "master": B}, "10.0.0.2:2222, 10.0.0.1:2222"),
        # objects by name, by number, and from addresses to ports
        ({"instances": {"one": {"ip": A}, "two": {"ip": B}}}, BOTH),
        ({"1": {"ip": B}, "0": {"ip": A}}, BOTH),
        ({A: 2222, B: 2222}, BOTH),
        ({A: {"port": 1}, B: {"port": 2}}, "10.0.0.1:1, 10.0.0.2:2"),
        # lists side by side
        ({"ip": [A, B], "ports": [1, 2]}, "10.0.0.1:1, 10.0.0.2:2"),
        ({"hosts": ["w1", "w2"], "ips": [A, B]}, BOTH),
        ({"hosts": ["w1", "w2"], "ips": []}, "w1:2222, w2:2222"),
        # indices and roles, which say who comes first
        ([{"ip": B, "index": 1}, {"ip": A, "index": 0}], BOTH),
        ([{"ip": B, "role": "worker", "rank": 0}, {"ip": A, "role": "master", "rank": 0}], BOTH),
        # as SageMaker and TF_CONFIG write
        (
            {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"], "network_interface_name": "eth0",
             "instance_groups": [{"instance_group_name": "g", "hosts": ["algo-2", "algo-1"]}]},
            "algo-1:2222, algo-2:2222",
        ),
        ({"cluster": {"worker": ["w:1", "w:2"], "chief": ["c:1"], "ps": []}, "task": {"type": "chief", "index": 0}},
         "c:1, w:1, w:2"),
        # as other platforms write: devices and networks are parts of an instance, whose id may be its address
        ({"server_count": "2", "server_list": [
            {"server_id": A, "device": [{"device_id": "0", "device_ip": "192.1.27.6"}]},
            {"server_id": B, "device": [{"device_id": "0", "device_ip": "192.1.27.7"}]}]}, BOTH),
        ({"group_list": [{"group_name": "job", "instance_list": [
            {"pod_name": "job-0", "server_id": A, "devices": [{"device_ip": "192.1.1.1"}]},
            {"pod_name": "job-1", "server_id": B, "devices": []}]}]}, BOTH),
        ({"items": [{"metadata": {"name": "w-0"}, "status": {"podIP": A, "hostIP": "172.16.0.1"}},
                    {"metadata": {"name": "w-1"}, "status": {"podIP": B, "hostIP": "172.16.0.1"}}]}, BOTH),
        ({"subsets": [{"addresses": [{"ip": A}, {"ip": B}], "ports": [{"port": 7, "protocol": "TCP"}]}]},
         "10.0.0.1:7, 10.0.0.2:7"),
        ([{"id": 1, "interfaces": [{"ip": A}, {"ip": "192.168.0.1"}], "port": 1},
          {"id": 2, "interfaces": [{"ip": B}, {"ip": "192.168.0.2"}], "port": 1}], "10.0.0.1:1, 10.0.0.2:1"),
        ([{"status": {"podIP": A}, "interfaces": [{"ip": "192.168.0.1"}, {"ip": A}]}, {"host": "w2"}],
         "10.0.0.1:2222, w2:2222"),
        ({"instances": {"network": "eth0", "w0": {"ip": A}, "w1": {"ip": B}}}, BOTH),
        ({"cluster": {"network": {"name": "vpc", "ip": "10.0.0.254"}, "a": {"ip": A}, "b": {"ip": B}}}, BOTH),
        ({"server_list": [{"server_id": "172.16.0.1", "container_ip": A},
                          {"server_id": "172.16.0.2", "container_ip": B}]}, BOTH),
        ({"devices": [{"ip": A}, {"ip": B}]}, BOTH),
        ({"instances": [{"name": "i-1", "ip": A, "status": "RUNNING"}, {"name": "i-2", "ip": B, "status": "RUNNING"}]},
         BOTH),
        ({"code": 0, "data": {"data": {"instanceList": [{"ip": A}, {"ip": B}]}}}, BOTH),
        ({"instances": {"instance-0": {"ip": A, "port": 1}, "instance-1": {"ip": B, "port": 2}}},
         "10.0.0.1:1, 10.0.0.2:2"),
        ("10.0.0.1 slots=4\n10.0.0.2 slots=4 max_slots=8", BOTH),
        ({"master": f"{A}:1", "workers": [f"{B}:2"]}, "10.0.0.1:1, 10.0.0.2:2"),
        ({"PADDLE_TRAINER_ENDPOINTS": f"{A}:6170,{B}:6170"}, "10.0.0.1:6170, 10.0.0.2:6170"),
        # ports of any spelling, and more than one
        ([[A, 1], [B, "2"]], "10.0.0.1:1, 10.0.0.2:2"),
        ([{"ip": A, "port": None}, {"ip": B, "port": ""}], BOTH),
        ([{"ip": A, "port": 2222.0}, {"ip": B, "port": " 2222 "}], BOTH),
        ([{"ip": A, "ports": [1, 2]}, {"ip": B, "ports": [{"name": "train", "port": 3}]}], "10.0.0.1:1, 10.0.0.2:3"),
        ([{"ip": A, "ports": {"train": 1}}, {"ip": B, "port": "3-9"}], "10.0.0.1:1, 10.0.0.2:3"),
        ([{"IP": "[fd00::1]", "PORT": "1"}, {"IP": "fe80::2%eth0"}], "[fd00::1]:1, [fe80::2%eth0]:2222"),
        ([{"host": "W1.train.svc"}, {"host": "w2.train.svc."}], "w1.train.svc:2222, w2.train.svc:2222"),
        # one
        ([{"ip": A}], "10.0.0.1:2222"),
        ({"ip": A, "port": 80}, "10.0.0.1:80"),
    ],
)  # fmt: skip
def test_what_is_understood(content: Any, instances: str) -> None:
    assert str(read(json.dumps(content))) == instances
    assert str(read("\ufeff" + json.dumps(content, indent=2))) == instances


HOSTS = {"hosts": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("content", "claimed"),
    [
        (HOSTS | {"current_host": "b"}, [('the file\'s "current_host"', {1})]),
        (HOSTS | {"index": 2}, [('the file\'s "index"', {2})]),
        (HOSTS | {"node_rank": "1"}, [('the file\'s "node_rank"', {1})]),
        (HOSTS | {"current": {"name": "c-7", "host": "C"}}, [('the file\'s "host"', {2})]),
        (HOSTS | {"local_rank": 7, "ip": "10.9.9.9", "endpoint": "https://api.example.com"}, []),
        ({"current_host": "b", "instances": [A, B]}, []),
        ({"ip": B, "instances": [{"ip": A}, {"ip": B}]}, [('the file\'s "ip"', {1})]),
        ({"instances": [{"ip": A}, {"ip": B, "isCurrent": True}]}, [("its entry in the file", {1})]),
        (
            {"cluster": {"chief": ["c:1"], "worker": ["w:1", "w:2"]}, "task": {"type": "worker", "index": 1}},
            [("the file's task", {2})],
        ),
    ],
)
def test_what_it_says_of_which_one_this_is(content: Any, claimed: list[tuple[str, set[int]]]) -> None:
    assert list(read(json.dumps(content)).claimed()) == claimed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("{", "is no JSON (Expecting property name"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"a":' * 900 + "1" + "}" * 900, "is nested too deeply"),
        ("7", "names no instance"),
        ("[]", "names no instance"),
        ('{"instances": []}', "names no instance"),
        ('{"cpu": 4, "memory": "8 GB"}', "names no instance"),
        ('[{"port": 1}]', 'lists {"port": 1} as an instance, which has no address'),
        ('[{"ip": "10.0.0.300"}]', 'has the ip "10.0.0.300", which is no address'),
        ('["10.0.0.1:0"]', 'lists "10.0.0.1:0" as an instance, which is no address'),
        ('["0.0.0.0"]', 'lists "0.0.0.0" as an instance, which is no address'),
        ('[{"ip": "10.0.0.1", "port": 70000}]', "has the port 70000, but a port is 1 to 65535"),
        ('[{"ip": "10.0.0.1", "aPort": 1, "bPort": 2}]', "gives an instance the ports 1, 2: one of them must be"),
        ('["10.0.0.1:1", "10.0.0.1:1"]', "names 10.0.0.1:1 twice"),
        ('["10.0.0.1", "10.0.0.1:2222"]', "names an instance twice, once without its port"),
        ('{"ip": "10.0.0.1", "ip": "10.0.0.2"}', 'has "ip" twice in one object'),
        ('[{"ip": "10.0.0.1", "index": 0}, {"ip": "10.0.0.2", "index": 0}]', "gives two instances the same index"),
        ("{}", "names no instance"),
        ("[null]", "lists null as an instance, which has no address"),
        ('[{"ip": "10.0.0.1"}, {"ip": ""}]', 'lists {"ip": ""} as an instance, which has no address'),
        ('[{"ip": "10.0.0.1",}]', "is no JSON (Expecting property name"),
        ("// instances\n[]", "is no JSON (Expecting value"),
        ('{"hosts": ["a", "b"], "ips": ["10.0.0.1"]}', "lists 2 hosts and 1 ips, which must be as many"),
        ('{"device_list": [{"device_ip": "10.0.0.1"}]}', "names no instance"),
        ('{"ips": ["10.0.0.1"], "ports": [1, 2]}', "names 1 instances, and 2 ports"),
        ('{"worker": ["a"], "ps": ["b"]}', 'names "ps", and only workers are of use here'),
        ('{"hosts": ["a"], "current_host": "b"}', 'has the "current_host" "b", which must be one of a:2222'),
        ('{"ip": "10.0.0.1", "peers": ["10.0.0.2"]}', 'has the "ip" "10.0.0.1", which must be one of 10.0.0.2:2222'),
        ('{"hosts": ["a"], "index": 1}', 'has the "index" 1, which must be 0 to 0'),
        (json.dumps([f"h{number}" for number in range(300_000)]), "names more than 1000 instances"),
        (json.dumps({"hosts": " ".join(f"h{number}" for number in range(300_000))}), "names more than 1000 instances"),
        (json.dumps({f"10.0.{n // 250}.{n % 250}": 1 for n in range(20_000)}), "names more than 1000 instances"),
    ],
    ids=range(33),
)
def test_what_is_unclear(text: str, reason: str) -> None:
    with pytest.raises(UnclearError) as raised:
        list(read(text).claimed())
    assert str(raised.value).startswith(reason)


KEYS = [
    "ip",
    "host",
    "hosts",
    "port",
    "ports",
    "index",
    "worker",
    "master",
    "task",
    "current_host",
    "device",
    "interfaces",
    "server_id",
    "0",
    A,
    "a",
    "type",
]
LEAVES = (
    st.none() | st.booleans() | st.integers(-1, 70_000) | st.sampled_from([A, B, "a:1", "", "7", "::1", "x y", "é"])
)
CONTENT = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(KEYS), part, max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(CONTENT)
def test_anything_else_is_understood_or_unclear(content: Any) -> None:
    try:
        listing = read(json.dumps(content))
        claimed = list(listing.claimed())
    except UnclearError as error:
        assert str(error)
        return
    members = [member.address for member in listing.members]
    assert len(set(members)) == len(members) > 0 and all(1 <= (address.port or 0) <= 65535 for address in members)
    assert all(indices <= set(range(len(members))) and indices for _, indices in claimed)
