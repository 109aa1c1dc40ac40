/** What every cluster has that computes run on, and this one has not by itself: applied at each start. */
import { DNS_IMAGE, DNS_SERVICE_IP } from './places.ts'

/** Pods that ask for `gvisor` run under containerd's handler `runsc`. */
export const GVISOR = {
  apiVersion: 'node.k8s.io/v1',
  kind: 'RuntimeClass',
  metadata: { name: 'gvisor' },
  handler: 'runsc',
} as const

const COREFILE = `.:5353 {
    errors
    ready :8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf
    cache 30
}
`

const DNS = 'dns'
const NAMESPACE = 'kube-system'
/** As on every other cluster, so that network policies find it. */
const LABELS = { 'k8s-app': 'kube-dns' }
const METADATA = { name: DNS, namespace: NAMESPACE, labels: LABELS }

export const DNS_OBJECTS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: METADATA },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'dormouse-cluster-dns' },
    rules: [
      {
        apiGroups: [''],
        resources: ['endpoints', 'services', 'pods', 'namespaces'],
        verbs: ['list', 'watch'],
      },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'dormouse-cluster-dns' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'dormouse-cluster-dns',
    },
    subjects: [{ kind: 'ServiceAccount', name: DNS, namespace: NAMESPACE }],
  },
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: METADATA, data: { Corefile: COREFILE } },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: METADATA,
    spec: {
      selector: { matchLabels: LABELS },
      template: {
        metadata: { labels: LABELS },
        spec: {
          serviceAccountName: DNS,
          // The node's own resolver, or its questions would come back to itself.
          dnsPolicy: 'Default',
          priorityClassName: 'system-cluster-critical',
          terminationGracePeriodSeconds: 1,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65534,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name: DNS,
              image: DNS_IMAGE,
              imagePullPolicy: 'Never',
              args: ['-conf', '/config/Corefile'],
              ports: [{ name: 'dns', containerPort: 5353, protocol: 'UDP' }],
              readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
              resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [{ name: 'config', mountPath: '/config', readOnly: true }],
            },
          ],
          volumes: [{ name: 'config', configMap: { name: DNS } }],
        },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: METADATA,
    spec: {
      clusterIP: DNS_SERVICE_IP,
      selector: LABELS,
      ports: ['UDP', 'TCP'].map((protocol) => ({
        name: protocol.toLowerCase(),
        port: 53,
        targetPort: 5353,
        protocol,
      })),
    },
  },
] as const
