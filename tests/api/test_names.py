"""Names are validated with upstream's sentences."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podling.api import names

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    " an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    r" '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
    " '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
NAME_PART = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    " (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("validate", "value", "messages"),
    [
        (names.dns_label, "a-1", []),
        (names.dns_label, "A", [LABEL]),
        (names.dns_label, "a.b", ["must not contain dots"]),
        (names.dns_label, "", [LABEL]),
        (names.dns_label, "a" * 64, ["must be no more than 63 bytes"]),
        (names.dns_subdomain, "a.b-c.1", []),
        (names.dns_subdomain, "Not_Valid", [SUBDOMAIN]),
        (names.dns_subdomain, "a\n", [SUBDOMAIN]),
        (names.dns_subdomain, "a" * 254, ["must be no more than 253 bytes"]),
        (names.dns_1035_label, "a1", []),
        (names.dns_1035_label, "1a", [LABEL_1035]),
        (names.qualified_name, "example.com/My_Name", []),
        (names.qualified_name, "/x", ["prefix part must be non-empty"]),
        (names.qualified_name, "x/", ["name part must be non-empty", f"name part {NAME_PART}"]),
        (names.qualified_name, "UP/x", [f"prefix part {SUBDOMAIN}"]),
        (names.qualified_name, "a" * 64, ["name part must be no more than 63 bytes"]),
        (
            names.qualified_name,
            "a/b/c",
            [f"a qualified name {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"],
        ),
        (names.label_value, "", []),
        (names.label_value, "é" * 32, ["must be no more than 63 bytes", names.label_value("é")[0]]),
        (names.port_name, "http", []),
        (
            names.port_name,
            "-1--",
            [
                "must contain at least one letter (a-z)",
                "must not contain consecutive hyphens",
                "must not begin or end with a hyphen",
            ],
        ),
        (names.port_name, "a" * 16, ["must be no more than 15 characters"]),
        (names.config_key, ".hidden", []),
        (names.config_key, "..", ["must not be '..'"]),
        (names.config_key, "..a", ["must not start with '..'"]),
        (names.env_name, "A B", []),
        (names.env_name, "A=B", [names.RELAXED_ENV_NAME_SAYS]),
        (names.path_segment, "a/b%", ["may not contain '/'", "may not contain '%'"]),
        (names.ip_address, "10.0.0.1", []),
        (names.ip_address, "010.0.0.1", [names.IP_SAYS]),
        (names.ip_address, "fe80::1%eth0", [names.IP_SAYS]),
        (names.cidr, "10.0.0.0/8", []),
        (names.cidr, "10.0.0.0", [names.CIDR_SAYS]),
        (names.wildcard_subdomain, "*.a.b", []),
        (names.percent, "5%", []),
    ],
)
def test_a_name_is_right_or_its_faults_are_listed(
    validate: Callable[[str], list[str]], value: str, messages: list[str]
) -> None:
    assert validate(value) == messages


def test_ports_are_numbers_from_1_to_65535() -> None:
    assert names.port_number(80) == []
    assert names.port_number(0) == names.port_number(65536) == ["must be between 1 and 65535, inclusive"]


def test_the_dash_before_a_generated_suffix_is_allowed() -> None:
    assert names.dns_subdomain(names.generated("web-")) == []
