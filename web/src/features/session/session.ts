/** Who is signed in: from the cookie, from a one-time login link, or from a pasted key. */
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { get, post, remove, setCsrf } from "../../api/client";
import { ApiError } from "../../api/errors";
import type { Session } from "../../api/types";
import { rememberKey } from "./keyring";

/** Takes `?login=TOKEN` out of the address, so that it is neither shared nor kept in the history. */
function takeLoginToken(): string {
  const url = new URL(window.location.href);
  const token = url.searchParams.get("login") ?? "";
  if (token) {
    url.searchParams.delete("login");
    window.history.replaceState(window.history.state, "", url);
  }
  return token;
}

const loginToken = takeLoginToken();
let loginTokenUsed = false;

function accept(session: Session): Session {
  setCsrf(session.csrf);
  return session;
}

async function readSession(): Promise<Session | null> {
  if (loginToken && !loginTokenUsed) {
    loginTokenUsed = true;
    return accept(await post<Session>("/api/session", { login_token: loginToken }));
  }
  try {
    return accept(await get<Session>("/api/session"));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

export const sessionQuery = queryOptions({ queryKey: ["session"], queryFn: readSession, staleTime: Infinity, retry: false });

export function useSignIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (key: string) => {
      const session = accept(await post<Session>("/api/session", { key }));
      rememberKey(key);
      return session;
    },
    onSuccess: (session) => client.setQueryData(sessionQuery.queryKey, session),
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => remove("/api/session"),
    onSuccess: () => {
      rememberKey("");
      client.clear();
      client.setQueryData(sessionQuery.queryKey, null);
    },
  });
}
