// The keys go to the app from the start, and again when the window is returned to.
"use strict";
const takeKeys = () => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys) keys.focus();
  else setTimeout(takeKeys, 50);
};
addEventListener("load", takeKeys);
addEventListener("focus", takeKeys);
