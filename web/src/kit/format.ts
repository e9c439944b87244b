/** Numbers, times and ids as text: locale-free, dot for decimals, a narrow space between thousands. */

const THIN = "\u202f";

export function count(value: number): string {
  const sign = value < 0 ? "-" : "";
  return sign + String(Math.abs(Math.round(value))).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** Milliseconds, with the unit that keeps three digits. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms === 0) return "0";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function cost(usd: number | null | undefined): string {
  if (usd === null || usd === undefined) return "–";
  if (usd === 0) return "$0";
  if (usd < 0.000001) return "<$0.000001";
  if (usd < 0.01) return `$${usd.toFixed(6)}`;
  if (usd < 1) return `$${usd.toFixed(4)}`;
  const cents = Math.round(usd * 100);
  return `$${count(Math.trunc(cents / 100))}.${String(cents % 100).padStart(2, "0")}`;
}

/** Dollars for a column whose header holds the unit: always six decimals, so that points line up. */
export const dollars = (usd: number | null | undefined): string => (usd === null || usd === undefined ? "–" : usd === 0 ? "0" : usd.toFixed(6));

/** Milliseconds for a column whose header holds the unit. */
export const millis = (ms: number): string => (ms < 10 ? ms.toFixed(1) : count(ms));

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let scaled = value / 1000;
  let unit = 0;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit]}`;
}

/** Shortened in the middle, so that both ends can be compared by eye. */
export function shortId(id: string, keep = 4): string {
  return id.length <= keep * 2 + 3 ? id : `${id.slice(0, keep)}…${id.slice(-keep)}`;
}

export type Ago = { unit: "second" | "minute" | "hour" | "day" | "month" | "year"; value: number };

export function ago(iso: string, nowMs: number): Ago {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1000));
  const steps: [Ago["unit"], number][] = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ];
  for (const [unit, size] of steps) {
    if (seconds >= size) return { unit, value: Math.floor(seconds / size) };
  }
  return { unit: "second", value: seconds };
}

/** Local wall time with its date, to the second. */
export function absolute(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function pretty(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value, null, 2) ?? "";
}
