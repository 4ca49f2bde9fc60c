package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	server "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

const patience = 15 * time.Second

var (
	ctx, cancel = context.WithCancel(context.Background())
	environment *envtest.Environment
	admin       client.Client
)

func validating() *admissionv1.ValidatingWebhookConfiguration {
	path, none, fail := "/validate", admissionv1.SideEffectClassNone, admissionv1.Fail
	rule := admissionv1.Rule{APIGroups: []string{Kind.Group}, APIVersions: []string{"v1"}, Resources: []string{"websites"}}
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "websites"},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "websites.example.com",
			ClientConfig: admissionv1.WebhookClientConfig{
				Service: &admissionv1.ServiceReference{Name: "operator", Namespace: "default", Path: &path},
			},
			Rules: []admissionv1.RuleWithOperations{
				{Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: rule},
			},
			SideEffects: &none, FailurePolicy: &fail, AdmissionReviewVersions: []string{"v1"},
		}},
	}
}

func TestMain(m *testing.M) {
	log.SetLogger(zap.New(zap.WriteTo(os.Stderr), zap.Level(zapcore.ErrorLevel)))
	os.Setenv("PODLING_ENVTEST_CONTROLLERS", "garbagecollector,namespace")
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{"crds"},
		ErrorIfCRDPathMissing: true,
		WebhookInstallOptions: envtest.WebhookInstallOptions{
			ValidatingWebhooks: []*admissionv1.ValidatingWebhookConfiguration{validating()},
		},
	}
	code := run(m)
	cancel()
	if err := environment.Stop(); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func run(m *testing.M) int {
	config, err := environment.Start()
	if err != nil {
		panic(err)
	}
	options := environment.WebhookInstallOptions
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Metrics: server.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{
			Host: options.LocalServingHost, Port: options.LocalServingPort, CertDir: options.LocalServingCertDir,
		}),
		LeaderElection: true, LeaderElectionID: "operator", LeaderElectionNamespace: "default",
	})
	if err == nil {
		err = SetUp(manager)
	}
	if err != nil {
		panic(err)
	}
	go func() {
		if err := manager.Start(ctx); err != nil {
			panic(err)
		}
	}()
	<-manager.Elected()
	if admin, err = client.New(config, client.Options{}); err != nil {
		panic(err)
	}
	return m.Run()
}

func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
	}
	t.Fatalf("%s: not within %s: %v", what, patience, err)
}

// gone is nil where the API says that there is no such object.
func gone(name types.NamespacedName, object client.Object) error {
	err := admin.Get(ctx, name, object)
	if err == nil {
		return errors.New("it is still there")
	}
	return client.IgnoreNotFound(err)
}

func website(name, host string) *unstructured.Unstructured {
	site := NewWebsite()
	site.SetNamespace("default")
	site.SetName(name)
	site.Object["spec"] = map[string]any{"host": host}
	return site
}

func TestAWebsiteBecomesADeploymentAndGoesWithIt(t *testing.T) {
	site := website("mine", "example.com")
	// The webhook's own server may be a moment behind the manager.
	eventually(t, "created", func() error { return admin.Create(ctx, site) })
	name := types.NamespacedName{Namespace: "default", Name: "mine"}
	eventually(t, "status", func() error {
		if err := admin.Get(ctx, name, site); err != nil {
			return err
		}
		if told, _, _ := unstructured.NestedInt64(site.Object, "status", "replicas"); told != 2 {
			return fmt.Errorf("replicas %d", told)
		}
		return nil
	})
	deployment := &appsv1.Deployment{}
	if err := admin.Get(ctx, name, deployment); err != nil {
		t.Fatal(err)
	}
	if !metav1.IsControlledBy(deployment, site) {
		t.Fatalf("not owned: %v", deployment.OwnerReferences)
	}
	if err := admin.Delete(ctx, site); err != nil {
		t.Fatal(err)
	}
	// With upstream's envtest the Deployment would stay for ever.
	eventually(t, "collected", func() error { return gone(name, deployment) })
}

func TestTheWebhookRefusesASiteWithoutAHost(t *testing.T) {
	var err error
	eventually(t, "an answer of the webhook", func() error {
		if err = admin.Create(ctx, website("nowhere", "")); apierrors.IsInternalError(err) {
			return err
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "denied the request: nowhere has no host") {
		t.Fatalf("unexpected: %v", err)
	}
}

func TestTheSchemaRefusesASiteOfNoSize(t *testing.T) {
	site := website("none", "example.com")
	site.Object["spec"].(map[string]any)["replicas"] = int64(0)
	if err := admin.Create(ctx, site); !apierrors.IsInvalid(err) {
		t.Fatalf("unexpected: %v", err)
	}
}

func TestAUserHasNoRightsButItsOwn(t *testing.T) {
	user, err := environment.AddUser(envtest.User{Name: "jane", Groups: []string{"readers"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jane, err := client.New(user.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := jane.List(ctx, &corev1.SecretList{}); !apierrors.IsForbidden(err) {
		t.Fatalf("unexpected: %v", err)
	}
	kubectl, err := user.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := kubectl.Run("auth", "whoami")
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, _ := out.Read(buffer)
	if !strings.Contains(string(buffer[:n]), "jane") {
		t.Fatalf("unexpected: %s", buffer[:n])
	}
}

func TestANamespaceGoes(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "doomed"}}
	if err := admin.Create(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "doomed", Name: "inside"}}
	if err := admin.Create(ctx, config); err != nil {
		t.Fatal(err)
	}
	if err := admin.Delete(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() error { return gone(types.NamespacedName{Name: "doomed"}, namespace) })
}
