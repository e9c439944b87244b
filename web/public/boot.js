// Sets theme, density and language before the first paint. External, as the content security policy forbids inline scripts.
(function () {
  var stored = {};
  try {
    stored = JSON.parse(localStorage.getItem("loopwright.appearance") || "{}");
  } catch (_) {
    stored = {};
  }
  var root = document.documentElement;
  root.dataset.theme = stored.theme || "system";
  root.dataset.density = stored.density || "comfortable";
  root.lang = stored.language || ((navigator.language || "en").slice(0, 2) === "es" ? "es" : "en");
})();
