/** Every address of the app, with its typed search parameters. Screens load when first visited. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Home } from "./features/home/Home";
import { parseTracesSearch } from "./features/traces/filter";
import { NotFound, RouteError } from "./shell/failures";
import { Loading } from "./kit/parts";
import { Shell } from "./shell/Shell";

type Raw = Record<string, unknown>;

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
const whole = (value: unknown): number | undefined => {
  const number = Number(value);
  return Number.isInteger(number) && number > 0 ? number : undefined;
};

/** Keeps only what is set, so that the address stays short. */
function picked<T extends object>(search: T): T {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as T;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const home = createRoute({ getParentRoute: () => root, path: "/", component: Home });

const playground = createRoute({
  getParentRoute: () => root,
  path: "/playground",
  validateSearch: (search: Raw): { trace?: string; model?: string } => picked({ trace: text(search.trace), model: text(search.model) }),
  component: lazyRouteComponent(() => import("./features/playground/Playground"), "Playground"),
});

const datasets = createRoute({
  getParentRoute: () => root,
  path: "/datasets",
  validateSearch: (search: Raw): { sort?: string } => picked({ sort: text(search.sort) }),
  component: lazyRouteComponent(() => import("./features/datasets/Datasets"), "Datasets"),
});

const dataset = createRoute({
  getParentRoute: () => root,
  path: "/datasets/$name",
  validateSearch: (search: Raw): { tab?: string; version?: number; peek?: string } => picked({ tab: text(search.tab), version: whole(search.version), peek: text(search.peek) }),
  component: lazyRouteComponent(() => import("./features/datasets/DatasetPage"), "DatasetPage"),
});

const knowledge = createRoute({
  getParentRoute: () => root,
  path: "/knowledge",
  validateSearch: (search: Raw): { sort?: string; create?: boolean } => picked({ sort: text(search.sort), create: search.create === true || search.create === "true" || undefined }),
  component: lazyRouteComponent(() => import("./features/knowledge/KnowledgeBases"), "KnowledgeBases"),
});

const knowledgeBase = createRoute({
  getParentRoute: () => root,
  path: "/knowledge/$name",
  validateSearch: (search: Raw): { tab?: string; q?: string; sort?: string; document?: string; passage?: string } =>
    picked({ tab: text(search.tab), q: text(search.q), sort: text(search.sort), document: text(search.document), passage: text(search.passage) }),
  component: lazyRouteComponent(() => import("./features/knowledge/KnowledgeBasePage"), "KnowledgeBasePage"),
});

const traces = createRoute({
  getParentRoute: () => root,
  path: "/traces",
  validateSearch: parseTracesSearch,
  component: lazyRouteComponent(() => import("./features/traces/Traces"), "Traces"),
});

const trace = createRoute({
  getParentRoute: () => root,
  path: "/traces/$traceId",
  validateSearch: (search: Raw): { span?: string; tab?: string } => picked({ span: text(search.span), tab: text(search.tab) }),
  component: lazyRouteComponent(() => import("./features/traces/TracePage"), "TracePage"),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  validateSearch: (search: Raw): { tab?: string } => picked({ tab: text(search.tab) }),
  component: lazyRouteComponent(() => import("./features/settings/Settings"), "Settings"),
});

/** Plain `?key=value` addresses: an id made of digits must stay a string, and people edit these by hand. */
function stringifySearch(search: Raw): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== "") params.set(key, String(value));
  }
  const encoded = params.toString();
  return encoded ? `?${encoded}` : "";
}

export const router = createRouter({
  routeTree: root.addChildren([home, playground, datasets, dataset, knowledge, knowledgeBase, traces, trace, settings]),
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch,
  defaultPreload: "intent",
  defaultPendingComponent: () => <Loading />,
  defaultErrorComponent: RouteError,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
