// Command clientgo is an ordinary program on client-go: protobuf both ways, informers, an expectation each, leader
// election between two candidates. Each step prints "ok" or "failed" with its name; the exit code counts failures.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

const (
	patience  = 20 * time.Second
	namespace = "clientgo"
)

type world struct {
	config *rest.Config
	client *kubernetes.Clientset
}

type step struct {
	name string
	run  func(context.Context, world) error
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		panic(err)
	}
	// Answers too: a client that sends this accepts nothing else.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf"
	config.QPS, config.Burst = 1000, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		panic(err)
	}
	failed := 0
	for _, each := range steps {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := each.run(ctx, world{config, client}); err != nil {
			failed++
			fmt.Printf("failed %s: %v\n", each.name, err)
		} else {
			fmt.Printf("ok %s\n", each.name)
		}
		cancel()
	}
	os.Exit(failed)
}

var steps = []step{
	{"discovery", discover},
	{"namespace in protobuf", makeNamespace},
	{"objects in protobuf, written and read", writeAndRead},
	{"conflict and retry", conflict},
	{"patches", patches},
	{"server-side apply", apply},
	{"typed errors", typedErrors},
	{"lists in pages", pages},
	{"watch in protobuf", watching},
	{"shared informers", sharedInformers},
	{"dynamic client and mapper", dynamicClient},
	{"metadata client", metadataClient},
	{"subresources", subresources},
	{"deletion with preconditions", deletion},
	{"leader election", leaders},
}

func discover(_ context.Context, w world) error {
	version, err := w.client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	if version.GitVersion != "v1.37.1" {
		return fmt.Errorf("version %s", version)
	}
	_, lists, err := w.client.Discovery().ServerGroupsAndResources()
	if err != nil {
		return err
	}
	if len(lists) < 20 {
		return fmt.Errorf("only %d group versions", len(lists))
	}
	return nil
}

func makeNamespace(ctx context.Context, w world) error {
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	_, err := w.client.CoreV1().Namespaces().Create(ctx, made, metav1.CreateOptions{})
	return err
}

func configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "clientgo"}}, Data: data}
}

func writeAndRead(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	wanted := configMap("both", map[string]string{"a": "b"})
	wanted.BinaryData = map[string][]byte{"raw": {0, 1, 255}}
	if _, err := maps.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
		return err
	}
	found, err := maps.Get(ctx, "both", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if found.Data["a"] != "b" || len(found.BinaryData["raw"]) != 3 || found.UID == "" || found.CreationTimestamp.IsZero() {
		return fmt.Errorf("unexpected: %+v", found)
	}
	_, err = w.client.AppsV1().Deployments(namespace).Create(ctx, deployment(), metav1.CreateOptions{})
	return err
}

func deployment() *appsv1.Deployment {
	labels, one := map[string]string{"app": "web"}, int32(1)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
			},
		},
	}
}

func conflict(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	old, err := maps.Get(ctx, "both", metav1.GetOptions{})
	if err != nil {
		return err
	}
	stale := old.DeepCopy()
	old.Data["a"] = "c"
	if _, err := maps.Update(ctx, old, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if _, err := maps.Update(ctx, stale, metav1.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) {
		return err
	}
	stale.Data["a"] = "d"
	if _, err := maps.Update(ctx, stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("no conflict: %v", err)
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		fresh, err := maps.Get(ctx, "both", metav1.GetOptions{})
		if err != nil {
			return err
		}
		fresh.Data["a"] = "d"
		_, err = maps.Update(ctx, fresh, metav1.UpdateOptions{})
		return err
	})
}

func patches(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	for kind, body := range map[types.PatchType]string{
		types.MergePatchType:          `{"data":{"merge":"1"}}`,
		types.JSONPatchType:           `[{"op":"add","path":"/data/json","value":"1"}]`,
		types.StrategicMergePatchType: `{"data":{"strategic":"1"}}`,
	} {
		if _, err := maps.Patch(ctx, "both", kind, []byte(body), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	found, err := maps.Get(ctx, "both", metav1.GetOptions{})
	if err == nil && len(found.Data) != 4 {
		err = fmt.Errorf("unexpected: %v", found.Data)
	}
	return err
}

func apply(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	mine := corev1apply.ConfigMap("applied", namespace).WithData(map[string]string{"owner": "me"})
	options := metav1.ApplyOptions{FieldManager: "me"}
	if _, err := maps.Apply(ctx, mine, options); err != nil {
		return err
	}
	theirs := corev1apply.ConfigMap("applied", namespace).WithData(map[string]string{"owner": "them"})
	if _, err := maps.Apply(ctx, theirs, metav1.ApplyOptions{FieldManager: "them"}); !apierrors.IsConflict(err) {
		return fmt.Errorf("no conflict: %v", err)
	}
	_, err := maps.Apply(ctx, theirs, metav1.ApplyOptions{FieldManager: "them", Force: true})
	return err
}

func typedErrors(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	if _, err := maps.Get(ctx, "none", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("no NotFound: %v", err)
	}
	if _, err := maps.Create(ctx, configMap("both", nil), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("no AlreadyExists: %v", err)
	}
	_, err := maps.Create(ctx, configMap("Not A Name", nil), metav1.CreateOptions{})
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || len(status.Status().Details.Causes) != 1 {
		return fmt.Errorf("no Invalid with a cause: %v", err)
	}
	return nil
}

func pages(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	for number := range 25 {
		if _, err := maps.Create(ctx, configMap(fmt.Sprintf("page-%d", number), nil), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	seen := 0
	each := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) {
		return maps.List(ctx, options)
	}))
	each.PageSize = 10
	options := metav1.ListOptions{LabelSelector: "app=clientgo"}
	if err := each.EachListItem(ctx, options, func(runtime.Object) error { seen++; return nil }); err != nil {
		return err
	}
	if seen != 26 {
		return fmt.Errorf("%d items", seen)
	}
	return nil
}

func watching(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	watcher, err := maps.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=watched"})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	if _, err := maps.Create(ctx, configMap("watched", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "watched", metav1.DeleteOptions{}); err != nil {
		return err
	}
	for _, wanted := range []watch.EventType{watch.Added, watch.Deleted} {
		event := <-watcher.ResultChan()
		if found, typed := event.Object.(*corev1.ConfigMap); event.Type != wanted || !typed || found.Name != "watched" {
			return fmt.Errorf("unexpected: %+v", event)
		}
	}
	return nil
}

func sharedInformers(ctx context.Context, w world) error {
	factory := informers.NewSharedInformerFactoryWithOptions(w.client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps()
	var added, deleted atomic.Int32
	_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%s did not sync", kind)
		}
	}
	before := added.Load()
	maps := w.client.CoreV1().ConfigMaps(namespace)
	if _, err := maps.Create(ctx, configMap("informed", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := until(ctx, func() bool { _, err := informer.Lister().ConfigMaps(namespace).Get("informed"); return err == nil }); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "informed", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return until(ctx, func() bool { return added.Load() > before && deleted.Load() == 1 })
}

func until(ctx context.Context, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// plain is the configuration of clients that know JSON only.
func plain(w world) *rest.Config {
	config := rest.CopyConfig(w.config)
	config.ContentType, config.AcceptContentTypes = "", ""
	return config
}

func dynamicClient(ctx context.Context, w world) error {
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(w.client.Discovery()))
	mapping, err := mapper.RESTMapping(schema.GroupKind{Kind: "Secret"})
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(plain(w))
	if err != nil {
		return err
	}
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"generateName": "dynamic-"},
		"stringData": map[string]any{"password": "mine"},
	}}
	made, err := client.Resource(mapping.Resource).Namespace(namespace).Create(ctx, secret, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if value, _, _ := unstructured.NestedString(made.Object, "data", "password"); value != "bWluZQ==" {
		return fmt.Errorf("unexpected: %v", made.Object)
	}
	return nil
}

func metadataClient(ctx context.Context, w world) error {
	client, err := metadata.NewForConfig(w.config)
	if err != nil {
		return err
	}
	maps := client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(namespace)
	found, err := maps.List(ctx, metav1.ListOptions{Limit: 5})
	if err != nil {
		return err
	}
	if len(found.Items) != 5 || found.Continue == "" || found.Items[0].Name == "" {
		return fmt.Errorf("unexpected: %+v", found.ListMeta)
	}
	return nil
}

func subresources(ctx context.Context, w world) error {
	deployments := w.client.AppsV1().Deployments(namespace)
	scale, err := deployments.GetScale(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	scale.Spec.Replicas = 3
	if _, err := deployments.UpdateScale(ctx, "web", scale, metav1.UpdateOptions{}); err != nil {
		return err
	}
	found, err := deployments.Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if *found.Spec.Replicas != 3 {
		return fmt.Errorf("%d replicas", *found.Spec.Replicas)
	}
	found.Status.Conditions = append(found.Status.Conditions, appsv1.DeploymentCondition{Type: "Mine", Status: "True"})
	_, err = deployments.UpdateStatus(ctx, found, metav1.UpdateOptions{})
	return client409(err)
}

// client409 lets a conflict with a controller pass: it writes the same status.
func client409(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

func deletion(ctx context.Context, w world) error {
	maps := w.client.CoreV1().ConfigMaps(namespace)
	other := types.UID("00000000-0000-0000-0000-000000000000")
	options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}}
	if err := maps.Delete(ctx, "both", options); !apierrors.IsConflict(err) {
		return fmt.Errorf("no conflict: %v", err)
	}
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=clientgo"}); err != nil {
		return err
	}
	left, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "app=clientgo"})
	if err == nil && len(left.Items) != 0 {
		err = fmt.Errorf("%d are left", len(left.Items))
	}
	return err
}

func leaders(ctx context.Context, w world) error {
	var leading atomic.Int32
	elected := make(chan string, 2)
	candidate := func(ctx context.Context, name string) {
		lock := &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: "leader"},
			Client:     w.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		}
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leading.Add(1); elected <- name },
				OnStoppedLeading: func() { leading.Add(-1) },
			},
		})
	}
	first, endFirst := context.WithCancel(ctx)
	defer endFirst()
	go candidate(first, "first")
	if name := <-elected; name != "first" {
		return fmt.Errorf("%s leads", name)
	}
	second, endSecond := context.WithCancel(ctx)
	defer endSecond()
	go candidate(second, "second")
	endFirst()
	select {
	case name := <-elected:
		if name != "second" {
			return fmt.Errorf("%s leads", name)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("nobody took over, %d lead", leading.Load())
	}
}
