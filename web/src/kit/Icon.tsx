/** The line icons of the app, 16 px, drawn in the colour of the text around them. */
const PATHS = {
  home: "M2.5 7.5 8 3l5.5 4.5M4 6.5V13h8V6.5",
  playground: "M2.5 3.5h11v7h-6L4.5 13v-2.500h-2z",
  datasets: "M2.5 4c0-1 2.5-1.5 5.5-1.500s5.5.5 5.5 1.5-2.5 1.5-5.5 1.500S2.5 5 2.5 4zm0 0v8c0 1 2.5 1.5 5.5 1.500s5.5-.5 5.5-1.500V4M2.5 8c0 1 2.5 1.5 5.5 1.500s5.5-.5 5.5-1.5",
  knowledge: "M8 4.500C6.5 3.3 4.5 3 2.5 3v9c2 0 4 .3 5.5 1.500M8 4.500C9.5 3.3 11.5 3 13.5 3v9c-2 0-4 .3-5.5 1.500M8 4.500v9",
  traces: "M2.5 3.500h8M4.5 8h9M7.5 12.500h4",
  settings: "M2.5 4.500h6M11.5 4.500h2M2.5 11.500h2M7.5 11.500h6M8.5 3v3M7.5 10v3",
  close: "m4 4 8 8M12 4l-8 8",
  search: "M7 11.500a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.500l3 3",
  copy: "M5.5 5.500V3h7.500v7.500h-2.500M3 5.500h7.500V13H3z",
  check: "m3 8.5 3.5 3.500L13 4.5",
  chevron: "m6 4 4 4-4 4",
  down: "m4 6 4 4 4-4",
  up: "m4 10 4-4 4 4",
  plus: "M8 3v10M3 8h10",
  stop: "M4.5 4.500h7v7h-7z",
  send: "M8 13V3M4 7l4-4 4 4",
  thumbUp: "M5 7.5 8 2.500c1 0 1.7.8 1.5 1.800L9 6.500h3.500c.8 0 1.4.7 1.2 1.500l-1 4c-.1.6-.6 1-1.2 1H5zM5 7.500H2.500V13H5",
  thumbDown: "M5 8.5 8 13.500c1 0 1.7-.8 1.5-1.800L9 9.500h3.500c.8 0 1.4-.7 1.2-1.500l-1-4c-.1-.6-.6-1-1.2-1H5zM5 8.500H2.500V3H5",
  star: "m8 2.5 1.7 3.5 3.8.5-2.8 2.7.7 3.800L8 11.2 4.6 13l.7-3.800L2.5 6.5 6.3 6z",
  warn: "M8 2.5 14 13H2zM8 6.500v3M8 11.200v.3",
  external: "M9 3h4v4M13 3 7.5 8.500M6.5 4H3v9h9V9.5",
  refresh: "M12.5 8a4.5 4.5 0 1 1-1.3-3.200L12.5 6M12.5 3v3h-3",
  upload: "M8 10.500v-7M5 6l3-3 3 3M3 10.500V13h10v-2.5",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  trash: "M3 4.500h10M6.5 4.500V3h3v1.500M4.5 4.500l.5 8.500h6l.5-8.5",
  keyboard: "M2 4.500h12v7H2zM4.5 7h.1M7 7h.1M9.5 7h.1M11.5 7h.1M5 9.500h6",
  smile: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.5 9.500c1.3 1.7 3.7 1.7 5 0M6 6.500v.1M10 6.500v.1",
  comment: "M3 3.500h10v7H8l-2.5 2v-2H3z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" strokeWidth="1.3" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
