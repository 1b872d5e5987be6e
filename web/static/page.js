// Keeps the table current, and sends files. Values from the archive only ever become text.
"use strict";
const rows = document.getElementById("rows");
const live = document.getElementById("live");
const sent = document.getElementById("sent");
const every = 3000;
let etag = "";

function cell(className, text, under) {
  const td = document.createElement("td");
  td.className = className;
  td.append(text);
  if (under !== undefined) {
    const small = document.createElement("span");
    small.className = "under";
    small.textContent = under;
    td.append(small);
  }
  return td;
}

function show(studies) {
  const before = new Map([...rows.children].map((r) => [r.dataset.uid, r.dataset.n]));
  rows.replaceChildren(...studies.map((s) => {
    const tr = document.createElement("tr");
    tr.dataset.uid = s.uid;
    tr.dataset.n = s.instances;
    if (before.get(s.uid) === undefined && etag) tr.className = "fresh";
    const link = document.createElement("a");
    link.href = "dicom-web/studies/" + encodeURIComponent(s.uid) + "/metadata";
    link.textContent = "metadata";
    const who = document.createElement("span");
    who.className = "who";
    who.textContent = s.patient || "no name";
    tr.append(cell("", who, s.patient_id), cell("", s.description, s.accession), cell("d", s.date), cell("d", s.modalities),
      cell("n wide", String(s.series)), cell("n", String(s.instances)), cell("wide", link));
    return tr;
  }));
  document.getElementById("received").hidden = studies.length === 0;
  document.getElementById("first-h").textContent = studies.length ? "Send more" : "Nothing here yet. Send the first study";
}

function state(on) {
  live.className = on ? "on" : "off";
  const text = on ? "live" : "no connection";
  if (live.textContent !== text) live.textContent = text;
}

async function poll() {
  if (!document.hidden) {
    try {
      const r = await fetch("web/recent", { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
      if (r.status === 200) {
        const focused = rows.contains(document.activeElement);
        const studies = await r.json();
        if (!focused) { // do not take a link away from under the keyboard
          show(studies);
          etag = r.headers.get("ETag") || "";
        }
      }
      state(r.status === 200 || r.status === 304);
    } catch {
      state(false);
    }
  }
  setTimeout(poll, every);
}

async function send(files) {
  let done = 0, failed = 0;
  for (const file of files) {
    try {
      const r = await fetch("dicom-web/studies", { method: "POST", headers: { "Content-Type": "application/dicom" }, body: file });
      r.ok ? done++ : failed++;
    } catch {
      failed++;
    }
    sent.textContent = `${done} of ${files.length} stored` + (failed ? `, ${failed} refused` : "");
  }
}

const drop = document.getElementById("drop");
document.getElementById("files").addEventListener("change", (e) => { send([...e.target.files]); e.target.value = ""; });
for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (e) => { e.preventDefault(); drop.classList.add("over"); });
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (e) => { e.preventDefault(); send([...e.dataTransfer.files]); });
poll();
