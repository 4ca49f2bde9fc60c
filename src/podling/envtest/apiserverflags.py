"""The flags of kube-apiserver 1.37: those that act here, and those that are accepted and change nothing.

Facts of the Kubernetes documentation ("kube-apiserver", command-line tools reference). A flag that asks for what is not
there is accepted all the same, with a line on stderr, because a suite passes what its authors once needed elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from podling.envtest.flags import Flag

ABOUT = (
    "Podling's kube-apiserver for envtest: the API of Kubernetes 1.37, its objects in the data folder of etcd beside it"
)

CONTROLLERS = "PODLING_ENVTEST_CONTROLLERS"
"""The environment variable in which a test suite names the controllers it wants beside the API server."""

ACTING = (
    Flag("help", "this text", ""),
    Flag("version", "print the version", ""),
    Flag("api-audiences", "audiences of service account tokens (default: the issuer)", "strings"),
    Flag("authorization-mode", "RBAC, Node,RBAC (the same here) or AlwaysAllow (default AlwaysAllow)", "strings"),
    Flag("bind-address", "the address to listen on (default 127.0.0.1)", "ip"),
    Flag("cert-dir", "where apiserver.crt and apiserver.key lie, or are made"),
    Flag("client-ca-file", "authorities of client certificates"),
    Flag("disable-admission-plugins", "admission plugins to leave out", "strings"),
    Flag("etcd-prefix", "servers of one etcd with different prefixes share nothing (default /registry)"),
    Flag("etcd-servers", "the etcd beside this program", "strings"),
    Flag("max-mutating-requests-inflight", "writes at work at a time", "int"),
    Flag("requestheader-allowed-names", "common names of front proxies; any, where none is named", "strings"),
    Flag("requestheader-client-ca-file", "authorities of front proxies, which say in headers who asks"),
    Flag("requestheader-extra-headers-prefix", "how their headers begin (default x-remote-extra-)", "strings"),
    Flag("requestheader-group-headers", "their headers for groups (default x-remote-group)", "strings"),
    Flag("requestheader-uid-headers", "their headers for a uid (default x-remote-uid)", "strings"),
    Flag("requestheader-username-headers", "their headers for the user (default x-remote-user)", "strings"),
    Flag("secure-port", "the port to listen on (default 6443)", "int"),
    Flag("service-account-issuer", "the issuer of service account tokens", "strings"),
    Flag(
        "service-account-key-file", "keys that tokens are checked with; used where no signing key is given", "strings"
    ),
    Flag("service-account-signing-key-file", "the key that signs service account tokens"),
    Flag("service-cluster-ip-range", "the addresses of Services (default 10.0.0.0/24)"),
    Flag("service-node-port-range", "the NodePorts (default 30000-32767)"),
    Flag("tls-cert-file", "the serving certificate, in place of that in --cert-dir"),
    Flag("tls-private-key-file", "its key"),
    Flag("token-auth-file", 'bearer tokens and their users: token,user,uid,"group1,group2" a line'),
)

EXPECTED = "advertise-address allow-privileged enable-admission-plugins feature-gates runtime-config v vmodule"
"""What every suite passes and what holds here anyway is not told of. (Feature gates: all are at their defaults.)"""

SWITCHES = """
aggregator-reject-forwarding-redirect allow-privileged anonymous-auth audit-log-batch-throttle-enable
audit-log-compress audit-log-truncate-enabled audit-webhook-batch-throttle-enable audit-webhook-truncate-enabled
contention-profiling coordinated-leadership disable-http2-serving emulation-forward-compatible
enable-aggregator-routing enable-bootstrap-token-auth enable-garbage-collector enable-logs-handler
enable-priority-and-fairness encryption-provider-config-automatic-reload log-text-split-stream permit-address-sharing
permit-port-sharing profiling runtime-config-emulation-forward-compatible service-account-extend-token-expiration
service-account-lookup shutdown-send-retry-after storage-initialization-timeout-enabled watch-cache
"""

VALUES = """
admission-control-config-file advertise-address allow-metric-labels allow-metric-labels-manifest apiserver-count
audit-log-batch-buffer-size audit-log-batch-max-size audit-log-batch-max-wait audit-log-batch-throttle-burst
audit-log-batch-throttle-qps audit-log-format audit-log-maxage audit-log-maxbackup audit-log-maxsize audit-log-mode
audit-log-path audit-log-truncate-max-batch-size audit-log-truncate-max-event-size audit-log-version audit-policy-file
audit-webhook-batch-buffer-size audit-webhook-batch-max-size audit-webhook-batch-max-wait
audit-webhook-batch-throttle-burst audit-webhook-batch-throttle-qps audit-webhook-config-file
audit-webhook-initial-backoff audit-webhook-mode audit-webhook-truncate-max-batch-size
audit-webhook-truncate-max-event-size audit-webhook-version authentication-config
authentication-token-webhook-cache-ttl authentication-token-webhook-config-file authentication-token-webhook-version
authorization-config authorization-policy-file authorization-webhook-cache-authorized-ttl
authorization-webhook-cache-unauthorized-ttl authorization-webhook-config-file authorization-webhook-version
cors-allowed-origins debug-socket-path default-not-ready-toleration-seconds default-unreachable-toleration-seconds
default-watch-cache-size delete-collection-workers disabled-metrics egress-selector-config-file emulated-version
enable-admission-plugins encryption-provider-config endpoint-reconciler-type etcd-cafile etcd-certfile
etcd-compaction-interval etcd-count-metric-poll-period etcd-db-metric-poll-interval etcd-healthcheck-timeout
etcd-keyfile etcd-readycheck-timeout etcd-servers-overrides event-ttl external-hostname feature-gates goaway-chance
http2-max-streams-per-connection kubelet-certificate-authority kubelet-client-certificate kubelet-client-key
kubelet-preferred-address-types kubelet-timeout kubernetes-service-node-port lease-reuse-duration-seconds
livez-grace-period log-flush-frequency log-json-info-buffer-size log-text-info-buffer-size logging-format
max-connection-bytes-per-sec max-requests-inflight min-compatibility-version min-request-timeout oidc-ca-file
oidc-client-id oidc-groups-claim oidc-groups-prefix oidc-issuer-url oidc-required-claim oidc-signing-algs
oidc-username-claim oidc-username-prefix peer-advertise-ip peer-advertise-port peer-ca-file proxy-client-cert-file
proxy-client-key-file request-timeout runtime-config service-account-jwks-uri service-account-max-token-expiration
service-account-signing-endpoint show-hidden-metrics-for-version shutdown-delay-duration
shutdown-watch-termination-grace-period storage-backend storage-initialization-timeout storage-media-type
strict-transport-security-directives tls-cipher-suites tls-curve-preferences tls-min-version tls-sni-cert-key
tracing-config-file v vmodule watch-cache-sizes
"""


def _accepted() -> Iterator[Flag]:
    for names, type_ in ((SWITCHES, ""), (VALUES, "string")):
        yield from (Flag(name, "", type_, acts=False) for name in names.split())


FLAGS = (*ACTING, *_accepted())
QUIET = frozenset(f"--{name}" for name in EXPECTED.split())
