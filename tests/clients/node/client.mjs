// An ordinary program on @kubernetes/client-node: each step prints "ok" or "failed" with its name.
import assert from "node:assert/strict";
import * as k8s from "@kubernetes/client-node";

const config = new k8s.KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);
const namespace = process.env.NAMESPACE;
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);

const mergePatch = k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.MergePatch);
const configMap = (name, data) => ({ metadata: { name, namespace }, data });
const within = (seconds, what, promise) =>
  Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: not within ${seconds} s`)), seconds * 1000)),
  ]);

const steps = {
  async version() {
    const version = await config.makeApiClient(k8s.VersionApi).getCode();
    assert.equal(version.gitVersion, "v1.37.1");
  },
  async "objects are made, changed and deleted"() {
    const made = await core.createNamespacedConfigMap({ namespace, body: configMap("mine", { a: "1" }) });
    assert.ok(made.metadata.uid && made.metadata.creationTimestamp instanceof Date);
    await core.patchNamespacedConfigMap({ name: "mine", namespace, body: { data: { b: "2" } } }, mergePatch);
    const found = await core.readNamespacedConfigMap({ name: "mine", namespace });
    assert.deepEqual(found.data, { a: "1", b: "2" });
    await assert.rejects(core.replaceNamespacedConfigMap({ name: "mine", namespace, body: made }), { code: 409 });
    await core.deleteNamespacedConfigMap({ name: "mine", namespace });
    await assert.rejects(core.readNamespacedConfigMap({ name: "mine", namespace }), { code: 404 });
  },
  async "lists come in pages"() {
    for (const name of ["a", "b", "c"]) {
      await core.createNamespacedSecret({ namespace, body: { metadata: { name }, stringData: { a: "b" } } });
    }
    const first = await core.listNamespacedSecret({ namespace, limit: 2 });
    const rest = await core.listNamespacedSecret({ namespace, limit: 2, _continue: first.metadata._continue });
    assert.deepEqual([...first.items, ...rest.items].map((each) => each.metadata.name), ["a", "b", "c"]);
  },
  async "a watch sees what happens"() {
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const seen = [];
    let controller;
    const done = new Promise((resolve, reject) => {
      const path = `/api/v1/namespaces/${namespace}/configmaps`;
      const query = { resourceVersion: metadata.resourceVersion, fieldSelector: "metadata.name=watched" };
      const told = (phase) => seen.push(phase) === 2 && resolve();
      const ended = (error) => error && error.name !== "AbortError" && reject(error);
      new k8s.Watch(config).watch(path, query, told, ended).then((made) => (controller = made));
    });
    await core.createNamespacedConfigMap({ namespace, body: configMap("watched", {}) });
    await core.deleteNamespacedConfigMap({ name: "watched", namespace });
    await within(10, "watch", done);
    controller.abort();
    assert.deepEqual(seen, ["ADDED", "DELETED"]);
  },
  async "an informer keeps a copy"() {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const informer = k8s.makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace }));
    const added = new Promise((resolve) =>
      informer.on("add", (object) => object.metadata.name === "informed" && resolve()),
    );
    await informer.start();
    await core.createNamespacedConfigMap({ namespace, body: configMap("informed", {}) });
    await within(10, "informer", added);
    assert.ok(informer.get("informed", namespace));
    await informer.stop();
  },
  async "a deployment rolls out"() {
    const template = { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web" }] } };
    const spec = { replicas: 2, selector: { matchLabels: { app: "web" } }, template };
    await apps.createNamespacedDeployment({ namespace, body: { metadata: { name: "web" }, spec } });
    const ready = async () => {
      for (;;) {
        const { status } = await apps.readNamespacedDeploymentStatus({ name: "web", namespace });
        if (status.readyReplicas === 2) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await within(20, "rollout", ready());
  },
  async "objects of any kind, by server-side apply"() {
    const body = { apiVersion: "v1", kind: "ConfigMap", ...configMap("applied", { a: "1" }) };
    await objects.patch(body, undefined, undefined, "me", true, k8s.PatchStrategy.ServerSideApply);
    assert.deepEqual((await objects.read(body)).data, { a: "1" });
    await objects.delete(body);
  },
  async "rights are asked for"() {
    const authorization = config.makeApiClient(k8s.AuthorizationV1Api);
    const spec = { user: "nobody", resourceAttributes: { namespace, verb: "get", resource: "pods" } };
    const review = await authorization.createSubjectAccessReview({ body: { spec } });
    assert.equal(review.status.allowed, false);
  },
  async "what needs a process is refused with the reason"() {
    const pods = await core.listNamespacedPod({ namespace, labelSelector: "app=web" });
    const name = pods.items[0].metadata.name;
    await assert.rejects(core.readNamespacedPodLog({ name, namespace }), /simulated/);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(steps)) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`failed ${name}: ${error.stack}`);
  }
}
process.exit(failed);
