"""The libraries that Kubernetes adds to the language."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api import cel


def evaluate(expression: str) -> Any:
    return cel.compile(expression, {}).evaluate({}, cel.Budget())


@pytest.mark.parametrize(
    "expression",
    [
        "[1, 2, 2].isSorted() && ![2, 1].isSorted() && ['a', 'b'].isSorted()",
        "[1, 3].sum() == 4 && [1.5, 2.0].sum() == 3.5 && [duration('1h'), duration('30m')].sum() == duration('90m')",
        "[1, 3, 2].max() == 3 && ['b', 'a'].min() == 'a'",
        "[1, 2, 1].indexOf(2) == 1 && [1, 2, 1].lastIndexOf(1) == 2 && [1].indexOf(5) == -1",
        "sets.contains([1, 2, 3], [2, 1]) && !sets.contains([1], [2])",
        "sets.intersects([1, 2], [2, 3]) && sets.equivalent([1, 1, 2], [2, 1])",
        "url('https://user@example.com:80/a b?k=v&k=w').getHost() == 'example.com:80'",
        "url('https://[::1]:8443/').getHostname() == '::1' && url('https://[::1]:8443/').getPort() == '8443'",
        "url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
        "url('https://example.com/?k=v&k=w').getQuery()['k'] == ['v', 'w'] && url('/p').getScheme() == ''",
        "isURL('https://a.b/c') && isURL('/abs') && !isURL('../rel') && !isURL('host') && !isURL('')",
        "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0') && !isIP('::ffff:1.2.3.4')",
        "ip('127.0.0.1').isLoopback() && ip('fe80::1').isLinkLocalUnicast() && ip('0.0.0.0').isUnspecified()",
        "ip('10.1.2.3').isGlobalUnicast() && ip('224.0.0.5').isLinkLocalMulticast() && ip('::1').family() == 6",
        "ip.isCanonical('::1') && !ip.isCanonical('0:0:0:0:0:0:0:1')",
        "string(ip('2001:db8:0::1')) == '2001:db8::1' && ip('1.1.1.1') == ip('1.1.1.1')",
        "cidr('10.0.0.0/8').containsIP('10.2.3.4') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsCIDR(cidr('0.0.0.0/0'))",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.2.3/8').ip() == ip('10.1.2.3')",
        "cidr('::1/128').prefixLength() == 128 && isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0')",
        "quantity('1.5Gi').isGreaterThan(quantity('1G')) && quantity('500m').compareTo(quantity('0.5')) == 0",
        "quantity('1k').asInteger() == 1000 && !quantity('1500m').isInteger() && quantity('-1').sign() == -1",
        "quantity('1').add(quantity('500m')).sub(1).asApproximateFloat() == 0.5 && quantity('1k') == quantity('1000')",
        "isQuantity('20Mi') && !isQuantity('20Mo')",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-alpha.2').isLessThan(semver('1.0.0-alpha.10'))",
        "semver('1.0.0-rc').compareTo(semver('1.0.0')) == -1 && semver('v1.02', true).minor() == 2",
        "isSemver('1.2.3+build') && !isSemver('v1.2.3') && isSemver('v1.2', true) && !isSemver('1.2')",
        "!format.dns1123Label().validate('my-name').hasValue()",
        "format.dns1123Label().validate('My_Name').value()[0].startsWith('a lowercase RFC 1123 label must consist of')",
        "!format.named('nope').hasValue() && format.named('uuid').value().validate('x').hasValue()",
        "!format.dns1123LabelPrefix().validate('web-').hasValue() && format.dns1123Label().validate('web-').hasValue()",
    ],
)
def test_a_library_answers_as_kubernetes_documents_it(expression: str) -> None:
    assert evaluate(expression) is True


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1].filter(x, x > 1).max()", "max called on empty list"),
        ("ip('1.2.3')", "IP Address '1.2.3' parse error during conversion from string"),
        ("quantity('1iM')", "unable to parse quantity's suffix"),
        ("quantity('1500m').asInteger()", "cannot convert value to integer"),
        ("url('rel/path')", 'URL parse error during conversion from string: parse "rel/path": invalid URI for request'),
    ],
)
def test_a_library_fails_with_its_reason(expression: str, message: str) -> None:
    with pytest.raises(cel.CelEvaluationError) as caught:
        evaluate(expression)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("['a', 'b'].sum()", "found no matching overload for 'sum' applied to '(list(string))'"),
        ("quantity('1') + 1", "found no matching overload for '_+_' applied to '(kubernetes.Quantity, int)'"),
        ("ip('1.1.1.1').containsIP('1.1.1.1')", "found no matching overload for 'containsIP' applied to"),
    ],
)
def test_a_library_is_type_checked(expression: str, message: str) -> None:
    with pytest.raises(cel.CelSyntaxError) as caught:
        cel.compile(expression, {})
    assert message in caught.value.message
