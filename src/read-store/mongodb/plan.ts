/** What `explain` says of a find, whatever the shape of the plan: those of several versions and engines differ. */
import type { WalkPlan } from '../read-store.ts';

interface Explained {
  readonly queryPlanner?: { readonly winningPlan?: unknown };
  readonly executionStats?: { readonly totalDocsExamined?: number; readonly nReturned?: number };
}

/** Stages that find documents by an index; MongoDB 8 has fast ways of its own for the simplest queries. */
const INDEX_STAGES: ReadonlySet<string> = new Set(['IXSCAN', 'IDHACK', 'CLUSTERED_IXSCAN', 'EXPRESS_IXSCAN']);

export function planOf(explained: unknown): WalkPlan {
  const { queryPlanner, executionStats } = explained as Explained;
  const stages = stagesOf(queryPlanner?.winningPlan);
  return {
    usesIndex: stages.some(stage => INDEX_STAGES.has(stage)) && !stages.includes('COLLSCAN'),
    documentsExamined: executionStats?.totalDocsExamined ?? 0,
    returned: executionStats?.nReturned ?? 0,
  };
}

function stagesOf(plan: unknown): string[] {
  if (Array.isArray(plan)) return plan.flatMap(stagesOf);
  if (typeof plan !== 'object' || plan === null) return [];
  const own = 'stage' in plan && typeof plan.stage === 'string' ? [plan.stage] : [];
  return [...own, ...Object.values(plan).flatMap(stagesOf)];
}
