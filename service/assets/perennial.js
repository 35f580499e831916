// What pages need beside htmx: refusals are shown, files are read into forms, dialogs open.
"use strict";

const notice = document.getElementById("notice");
const show = (text) => {
  if (text) document.querySelectorAll("dialog[open]").forEach((one) => one.close()); // it would hide the notice
  notice.textContent = text;
  notice.hidden = !text;
};

document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig.verb !== "get") show("");
});
document.body.addEventListener("htmx:sendError", () => show("The service cannot be reached."));
document.body.addEventListener("htmx:responseError", (event) => {
  const answer = event.detail.xhr;
  if (answer.status === 401) { location.assign("/sign-in?next=" + encodeURIComponent(location.pathname)); return; }
  let told = "";
  try { told = JSON.parse(answer.responseText).detail; } catch { /* no JSON: the status has to do */ }
  show(typeof told === "string" && told ? told : `The service answered ${answer.status}.`);
});

document.body.addEventListener("change", (event) => {
  const into = event.target.dataset.into;
  const file = event.target.files && event.target.files[0];
  if (into && file) file.text().then((text) => { document.getElementById(into).value = text; });
});
document.body.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  const copier = event.target.closest("[data-copy]");
  if (copier) navigator.clipboard.writeText(document.getElementById(copier.dataset.copy).textContent);
});
