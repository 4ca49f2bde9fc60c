// Package operator is a small operator of ours on controller-runtime: a Website becomes a Deployment, whose size its
// status tells, and a webhook refuses a site without a host.
package operator

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Kind is what the operator is for.
var Kind = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Website"}

// Finalizer keeps a Website until the operator has seen its end.
const Finalizer = "example.com/website"

// NewWebsite is an empty one.
func NewWebsite() *unstructured.Unstructured {
	site := &unstructured.Unstructured{}
	site.SetGroupVersionKind(Kind)
	return site
}

// Reconciler makes the Deployment.
type Reconciler struct {
	client.Client
}

// Reconcile brings one Website to what is wanted.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	site := NewWebsite()
	if err := r.Get(ctx, request.NamespacedName, site); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !site.GetDeletionTimestamp().IsZero() {
		if controllerutil.RemoveFinalizer(site, Finalizer) {
			return ctrl.Result{}, r.Update(ctx, site)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(site, Finalizer) {
		return ctrl.Result{}, r.Update(ctx, site)
	}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: site.GetNamespace(), Name: site.GetName()}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, deployment, func() error {
		return shape(site, deployment, r.Client)
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.tell(ctx, site, int64(*deployment.Spec.Replicas))
}

func shape(site *unstructured.Unstructured, deployment *appsv1.Deployment, c client.Client) error {
	replicas, _, err := unstructured.NestedInt64(site.Object, "spec", "replicas")
	if err != nil {
		return err
	}
	size := int32(replicas)
	labels := map[string]string{"site": site.GetName()}
	deployment.Spec.Replicas = &size
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	deployment.Spec.Template.Labels = labels
	if len(deployment.Spec.Template.Spec.Containers) == 0 {
		deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "web"}}
	}
	return controllerutil.SetControllerReference(site, deployment, c.Scheme())
}

func (r *Reconciler) tell(ctx context.Context, site *unstructured.Unstructured, replicas int64) error {
	before := site.DeepCopy()
	if err := unstructured.SetNestedField(site.Object, replicas, "status", "replicas"); err != nil {
		return err
	}
	if equality.Semantic.DeepEqual(before.Object, site.Object) {
		return nil
	}
	return r.Status().Patch(ctx, site, client.MergeFrom(before))
}

// Refuse is the webhook: a site needs a host.
func Refuse(_ context.Context, request admission.Request) admission.Response {
	site := NewWebsite()
	if err := site.UnmarshalJSON(request.Object.Raw); err != nil {
		return admission.Errored(400, err)
	}
	host, _, _ := unstructured.NestedString(site.Object, "spec", "host")
	if host == "" {
		return admission.Denied(fmt.Sprintf("%s has no host", site.GetName()))
	}
	return admission.Allowed("")
}

// SetUp adds both to a manager.
func SetUp(manager ctrl.Manager) error {
	manager.GetWebhookServer().Register("/validate", &admission.Webhook{Handler: admission.HandlerFunc(Refuse)})
	return ctrl.NewControllerManagedBy(manager).
		For(NewWebsite()).
		Owns(&appsv1.Deployment{}).
		Complete(&Reconciler{manager.GetClient()})
}
