/**
 * The fence inside the API server: a ValidatingAdmissionPolicy that refuses a status of a zone's Node, or of a pod bound
 * to it, whose epoch is below the one that stands on the Node. One binding for each zone, with the zone's Node as its
 * parameter; for writes of the set's own user only, so that the controllers' status writes pass.
 *
 * Two comparisons. With the Node as the API server's own watch has it: that follows a claim within moments. And with what
 * the object itself says of its last writer: that follows no watch, so once a successor has written an object, nothing
 * older gets there any more.
 */
import { EPOCH_ANNOTATION, WRITER_EPOCH_ANNOTATION } from '../election/names.ts';

export interface AdmissionPolicyOptions {
  readonly set: string;
  readonly zones: readonly { readonly name: string; readonly nodeName: string }[];
  /** Name under which the API server knows the replicas, such as `system:serviceaccount:<namespace>:<name>`. */
  readonly user: string;
  readonly action: 'warn' | 'enforce';
}

/** A Kubernetes object as it is applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

const API_VERSION = 'admissionregistration.k8s.io/v1';

export function admissionPolicy(options: AdmissionPolicyOptions): readonly Manifest[] {
  const name = `zonelet-${options.set}-fence`;
  const labels = { 'zonelet.dev/set': options.set };
  const policy: Manifest = {
    apiVersion: API_VERSION,
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name, labels },
    spec: {
      failurePolicy: 'Fail',
      paramKind: { apiVersion: 'v1', kind: 'Node' },
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [''],
            apiVersions: ['v1'],
            operations: ['UPDATE'],
            resources: ['pods/status', 'nodes/status'],
          },
        ],
      },
      matchConditions: [
        { name: 'own-user', expression: `request.userInfo.username == ${JSON.stringify(options.user)}` },
      ],
      variables: [
        // dyn: the expression is checked against both kinds, and a Node has no spec.nodeName.
        {
          name: 'ofZone',
          expression:
            "request.resource.resource == 'nodes' ? object.metadata.name == params.metadata.name" +
            " : dyn(object).spec.?nodeName.orValue('') == params.metadata.name",
        },
        { name: 'fence', expression: epochOf('params', EPOCH_ANNOTATION) },
        { name: 'before', expression: epochOf('oldObject', WRITER_EPOCH_ANNOTATION) },
        { name: 'written', expression: epochOf('object', WRITER_EPOCH_ANNOTATION) },
      ],
      validations: [
        {
          expression: '!variables.ofZone || variables.written > 0',
          message: `no epoch is carried: fence.admissionPolicy has to be set in the configuration of every replica first`,
          reason: 'Forbidden',
        },
        {
          expression:
            '!variables.ofZone || (variables.written >= variables.fence && variables.written >= variables.before)',
          messageExpression:
            "'fenced: epoch ' + string(variables.written) + ' is below ' + string(variables.fence > variables.before ? variables.fence : variables.before)",
          message: 'fenced: a later epoch leads the zone',
          reason: 'Forbidden',
        },
      ],
    },
  };
  const bindings = options.zones.map(
    (zone): Manifest => ({
      apiVersion: API_VERSION,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: `${name}-${zone.name}`, labels },
      spec: {
        policyName: name,
        // A Node that was deleted fences nobody: its leader makes it again.
        paramRef: { name: zone.nodeName, parameterNotFoundAction: 'Allow' },
        validationActions: options.action === 'enforce' ? ['Deny'] : ['Warn', 'Audit'],
      },
    }),
  );
  return [policy, ...bindings];
}

/** The epoch in an annotation as a number; 0 where there is none, or none that could be one. */
function epochOf(object: string, annotation: string): string {
  const text = `${object}.metadata.?annotations[?'${annotation}'].orValue('')`;
  return `${text}.matches('^[0-9]{1,10}$') ? int(${text}) : 0`;
}
