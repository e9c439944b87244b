import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const control = "http://127.0.0.1:8700";

export default defineConfig({
  plugins: [react()],
  base: "/",
  build: {
    outDir: "../src/loopwright/apps/static",
    emptyOutDir: true,
    // Inlined data: fonts and scripts would be refused by the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
    manifest: true,
  },
  server: { proxy: { "/api": control, "/v1": control } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
