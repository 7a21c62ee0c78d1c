// Virtual Kubelet's own end-to-end suite, unmodified, on one virtual node of a Zonelet set.
package interop

import (
	"flag"
	"testing"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/test/e2e"
)

var (
	kubeconfig = flag.String("kubeconfig", "", "kubeconfig of an administrator")
	namespace  = flag.String("namespace", "", "where the suite creates its pods")
	node       = flag.String("node", "", "the virtual node that is tested; a pod of this name leads to its kubelet API")
)

func TestVirtualKubelet(t *testing.T) {
	e2e.NewEndToEndTestSuite(e2e.EndToEndTestSuiteConfig{
		Kubeconfig:   *kubeconfig,
		Namespace:    *namespace,
		NodeName:     *node,
		WatchTimeout: time.Minute,
	}).Run(t)
}
