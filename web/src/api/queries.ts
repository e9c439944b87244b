/** Every read of the API as a query: its key, its path and how long it stays fresh. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { get, segment, type Query } from "./client";
import type {
  ApiKey,
  Dataset,
  DatasetRow,
  DatasetVersion,
  Document,
  DocumentDetail,
  Endpoint,
  Info,
  Job,
  KnowledgeBase,
  KnowledgeBaseDetail,
  Model,
  Page,
  Trace,
  TraceDetail,
  TraceFacets,
} from "./types";

export const PAGE_SIZE = 100;

export const infoQuery = queryOptions({ queryKey: ["info"], queryFn: () => get<Info>("/api/info") });
export const keysQuery = queryOptions({ queryKey: ["keys"], queryFn: () => get<Page<ApiKey>>("/api/keys") });
/** What one can chat with; a model for embeddings is not offered. */
export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: async () => {
    const { data } = await get<{ data: Model[] }>("/v1/models");
    return { data: data.filter((model) => model.kind !== "embedding") };
  },
  staleTime: 30_000,
});
export const endpointsQuery = queryOptions({ queryKey: ["endpoints"], queryFn: () => get<Page<Endpoint>>("/api/endpoints") });
export const facetsQuery = queryOptions({ queryKey: ["traces", "facets"], queryFn: () => get<TraceFacets>("/api/traces/facets"), staleTime: 30_000 });
export const jobsQuery = queryOptions({ queryKey: ["jobs"], queryFn: () => get<Page<Job>>("/api/jobs") });

export const newestTracesQuery = queryOptions({
  queryKey: ["traces", "newest"],
  queryFn: () => get<Page<Trace>>("/api/traces", { limit: 10 }),
});

export const tracesQuery = (filter: Query) =>
  infiniteQueryOptions({
    queryKey: ["traces", "list", filter],
    queryFn: ({ pageParam, signal }) => get<Page<Trace>>("/api/traces", { ...filter, limit: PAGE_SIZE, cursor: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor || undefined,
    staleTime: 60_000,
    // New traces wait behind a pill: coming back to the tab must not move what is being read.
    refetchOnWindowFocus: false,
  });

export const traceQuery = (traceId: string) =>
  queryOptions({ queryKey: ["trace", traceId], queryFn: () => get<TraceDetail>(`/api/traces/${segment(traceId)}`), staleTime: 10_000 });

export const datasetsQuery = queryOptions({ queryKey: ["datasets"], queryFn: () => get<Page<Dataset>>("/api/datasets") });

export const datasetQuery = (name: string) =>
  queryOptions({
    queryKey: ["datasets", name],
    queryFn: () => get<{ dataset: Dataset; versions: DatasetVersion[] }>(`/api/datasets/${segment(name)}`),
  });

export const rowsQuery = (name: string, version: number) =>
  infiniteQueryOptions({
    queryKey: ["datasets", name, version, "rows"],
    queryFn: ({ pageParam }) =>
      get<Page<DatasetRow>>(`/api/datasets/${segment(name)}/versions/${version}/rows`, { limit: PAGE_SIZE, offset: pageParam }),
    initialPageParam: 0,
    getNextPageParam: (last, _pages, offset) => (last.items.length < PAGE_SIZE ? undefined : offset + PAGE_SIZE),
    // A version never changes.
    staleTime: Infinity,
  });

export const knowledgeBasesQuery = queryOptions({
  queryKey: ["knowledge-bases"],
  queryFn: () => get<Page<KnowledgeBase>>("/api/knowledge-bases"),
});

export const knowledgeBaseQuery = (name: string) =>
  queryOptions({ queryKey: ["knowledge-bases", name], queryFn: () => get<KnowledgeBaseDetail>(`/api/knowledge-bases/${segment(name)}`) });

export const documentsQuery = (name: string) =>
  queryOptions({
    queryKey: ["knowledge-bases", name, "documents"],
    queryFn: () => get<Page<Document>>(`/api/knowledge-bases/${segment(name)}/documents`),
  });

export const documentQuery = (name: string, id: string) =>
  queryOptions({
    queryKey: ["knowledge-bases", name, "documents", id],
    queryFn: () => get<DocumentDetail>(`/api/knowledge-bases/${segment(name)}/documents/${segment(id)}`),
    staleTime: 60_000,
  });

const RUNNING = new Set(["queued", "running"]);

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ["jobs", id],
    queryFn: () => get<Job>(`/api/jobs/${segment(id)}`),
    refetchInterval: (query) => (query.state.data && !RUNNING.has(query.state.data.status) ? false : 1000),
  });
