/** Starts the app: messages first, then the query client, the session gate and the router. */
import { QueryClient, QueryClientProvider, useQuery, useQueryClient } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode, useEffect, useState, type ReactNode } from "react";
import { I18nProvider } from "react-aria-components";
import { createRoot } from "react-dom/client";
import { whenSignedOut } from "./api/client";
import { ApiError } from "./api/errors";
import { sessionQuery } from "./features/session/session";
import { SignIn } from "./features/session/SignIn";
import { Loading } from "./kit/parts";
import { loadMessages, MessagesProvider, type Messages } from "./messages";
import { router } from "./router";
import { currentAppearance, useAppearance } from "./shell/appearance";
import "./styles/tokens.css";
import "./styles/elements.css";
import "./styles/parts.css";
import "./styles/overlays.css";
import "./styles/playground.css";
import "./styles/traces.css";
import "./styles/screens.css";
import "./styles/frame.css";

/** Asking again helps when the server was away or busy, never when it refused. */
const worthRetrying = (failures: number, error: Error): boolean => failures < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500);

const client = new QueryClient({
  defaultOptions: { queries: { retry: worthRetrying, staleTime: 5000, refetchOnWindowFocus: true } },
});

whenSignedOut(() => client.setQueryData(sessionQuery.queryKey, null));

function Words({ initial, children }: { initial: Messages; children: ReactNode }) {
  const { language } = useAppearance();
  const [messages, setMessages] = useState(initial);
  useEffect(() => {
    let wanted = true;
    void loadMessages(language).then((loaded) => wanted && setMessages(loaded));
    return () => {
      wanted = false;
    };
  }, [language]);
  return (
    <I18nProvider locale={language}>
      <MessagesProvider messages={messages}>{children}</MessagesProvider>
    </I18nProvider>
  );
}

function Gate() {
  const session = useQuery(sessionQuery);
  const queries = useQueryClient();
  if (session.isPending) return <Loading />;
  if (!session.data) return <SignIn failure={session.error} onRetry={() => void queries.invalidateQueries({ queryKey: sessionQuery.queryKey })} />;
  return <RouterProvider router={router} />;
}

async function start(): Promise<void> {
  const messages = await loadMessages(currentAppearance().language);
  const root = document.getElementById("root");
  if (!root) throw new Error("index.html holds no #root");
  createRoot(root).render(
    <StrictMode>
      <Words initial={messages}>
        <QueryClientProvider client={client}>
          <Gate />
        </QueryClientProvider>
      </Words>
    </StrictMode>,
  );
}

void start();
