/** Core events. Source: pkg/registry/core/event, pkg/apis/core/validation/events.go (legacyValidateEvent). */
import type { Event } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { type FieldProblem, invalidValue, required } from '../failure.ts';
import { pathSegment, qualifiedName } from '../validation/names.ts';
import { type Kind, ordinary } from './kind.ts';

export const events: Kind = {
  ...ordinary,
  group: '',
  version: 'v1',
  plural: 'events',
  singular: 'event',
  kind: 'Event',
  namespaced: true,
  shortNames: ['ev'],
  nameCheck: pathSegment,
  allowCreateOnUpdate: true,
  fieldLabels: {
    'involvedObject.kind': (object) => (object as Event).involvedObject.kind ?? '',
    'involvedObject.namespace': (object) => (object as Event).involvedObject.namespace ?? '',
    'involvedObject.name': (object) => (object as Event).involvedObject.name ?? '',
    'involvedObject.uid': (object) => (object as Event).involvedObject.uid ?? '',
    'involvedObject.apiVersion': (object) => (object as Event).involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': (object) => (object as Event).involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': (object) => (object as Event).involvedObject.fieldPath ?? '',
    reason: (object) => (object as Event).reason ?? '',
    reportingComponent: (object) => reporter(object as Event),
    source: (object) => (object as Event).source?.component ?? reporter(object as Event),
    type: (object) => (object as Event).type ?? '',
  },
  problems(object: ApiObject) {
    const { involvedObject, metadata, eventTime, reportingComponent, reportingInstance, action, reason, message } =
      object as Event;
    const problems: FieldProblem[] = [];
    const of = involvedObject.namespace ?? '';
    const mismatch = invalidValue('involvedObject.namespace', of, 'does not match event.namespace');
    // What is in no namespace has its events in `default`.
    if (eventTime === undefined || eventTime === null) {
      if (of === '' ? metadata.namespace !== 'default' : metadata.namespace !== of) problems.push(mismatch);
      return problems;
    }
    if (of === '' && metadata.namespace !== 'default' && metadata.namespace !== 'kube-system') problems.push(mismatch);
    if ((reportingComponent ?? '') === '') problems.push(required('reportingComponent'));
    const complaint = qualifiedName(reportingComponent ?? '');
    if (complaint !== undefined) problems.push(invalidValue('reportingComponent', reportingComponent ?? '', complaint));
    const limits = { reportingInstance: 128, action: 128, reason: 128 } as const;
    const texts = { reportingInstance, action, reason };
    for (const field of ['reportingInstance', 'action', 'reason'] as const) {
      const text = texts[field] ?? '';
      if (text === '') problems.push(required(field));
      if (text.length > limits[field])
        problems.push(invalidValue(field, '', `can have at most ${limits[field]} characters`));
    }
    if ((message?.length ?? 0) > 1024) problems.push(invalidValue('message', '', 'can have at most 1024 characters'));
    return problems;
  },
};

function reporter({ source, reportingComponent }: Event): string {
  const component = source?.component ?? '';
  return component === '' ? (reportingComponent ?? '') : component;
}
