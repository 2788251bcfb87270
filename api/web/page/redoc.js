// ReDoc in the system's colours: it has a light theme alone, and reads its theme at the start.

const dark = matchMedia("(prefers-color-scheme: dark)");
const colours = { raised: "#1d2024", lowered: "#0e0f11", text: "#e8e9eb", quiet: "#a2a8b1", line: "#33373d", accent: "#93a8ff" };
const response = (color) => ({ color, backgroundColor: colours.raised, tabTextColor: color });
const theme = {
  colors: {
    primary: { main: colours.accent },
    success: { main: "#6fcf8e" },
    error: { main: "#ffb0a8" },
    gray: { 50: colours.raised, 100: colours.line },
    text: { primary: colours.text, secondary: colours.quiet },
    border: { dark: colours.line, light: colours.line },
    responses: { success: response("#6fcf8e"), error: response("#ffb0a8"), redirect: response("#ffd479"), info: response("#8ecbff") },
  },
  schema: { linesColor: colours.line, nestedBackground: colours.raised },
  typography: { code: { color: "#ffb0a8", backgroundColor: colours.raised } },
  sidebar: { backgroundColor: colours.raised, textColor: colours.text, activeTextColor: colours.accent },
  rightPanel: {
    backgroundColor: colours.raised,
    textColor: colours.text,
    servers: { overlay: { backgroundColor: colours.raised, textColor: colours.text }, url: { backgroundColor: colours.lowered } },
  },
  codeBlock: { backgroundColor: colours.lowered },
};
const place = document.getElementById("redoc");

dark.addEventListener("change", () => location.reload());
Redoc.init(place.dataset.openapi, dark.matches ? { theme } : {}, place);
