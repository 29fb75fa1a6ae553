"use strict";
// The pages behind links in messages. The token is read from the address and sent only when somebody presses a button:
// mail scanners and previews that merely open the page use nothing up.

const $ = (id) => document.getElementById(id);
const page = document.body.dataset.page;
const given = new URLSearchParams(location.search).get("token");
const token = given || (history.state && history.state.token) || "";
// no longer in the address bar or a screenshot; with the page's entry in the history, for when it is loaded again
if (given) history.replaceState({ token }, "", location.pathname);

const SIGN_IN = { delivery: "cookie" };
const WORDS = {
  "one-time-token-refused": "This link has expired or has already been used.",
  "code-refused": "That code is wrong or has expired. Try again, or request a new one.",
  "invalid-credentials": "The password is wrong, or this account cannot be used to sign in.",
  "guard-unavailable": "We cannot check that right now. Please try again in a minute.",
  "unavailable": "We cannot do that right now. Please try again in a minute.",
  "internal-error": "Something went wrong on our side. Please try again.",
  "csrf-refused": "Your browser reports that this page did not come from us. Please open the link in the message again.",
};
const METHODS = {
  totp: "Code from my authenticator app",
  sms: "Code by text message",
  email: "Code by e-mail",
  verify: "Code by text message or call",
  backup_code: "One of my backup codes",
  passkey: "My passkey",
  password: "My password",
};
const SENT = new Set(["sms", "email", "verify"]);

class Refusal extends Error {
  constructor(problem, retryAfter) {
    super(problem.detail || problem.title || "");
    this.status = Number(problem.status) || 0;
    this.kind = String(problem.type || "").split("/").pop();
    this.errors = problem.errors || [];
    this.retryAfter = Number(retryAfter) || 0;
    this.leadsOn = Boolean(problem.leadsOn);
  }
}

async function post(path, body, headers) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      headers: { "content-type": "application/json", accept: "application/json", ...headers },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Refusal({ detail: "We could not be reached. Check your connection and try again." });
  }
  const text = await answer.text();
  let document_ = {};
  try {
    document_ = text ? JSON.parse(text) : {};
  } catch {
    document_ = { detail: "The answer could not be read. Please try again." };
  }
  if (!answer.ok) throw new Refusal(document_, answer.headers.get("retry-after"));
  return document_;
}

function inWords(refusal) {
  if (!(refusal instanceof Refusal)) return "Something went wrong in this page. Please reload it and try again.";
  if (refusal.kind === "rate-limited") {
    const minutes = Math.max(1, Math.ceil(refusal.retryAfter / 60));
    return `Too many attempts. Please wait ${minutes === 1 ? "a minute" : `${minutes} minutes`} and try again.`;
  }
  const known = WORDS[refusal.kind];
  if (known) return known;
  const sentences = [...new Set(refusal.errors.map(sentence).filter(Boolean))];
  return sentences.join(" ") || refusal.message || "That did not work. Please try again.";
}

// What is a sentence already stays one; what only says what is wrong with a field gets the field before it.
function sentence({ field, message }) {
  const text = String(message || "").trim();
  if (!text) return "";
  const whole = /^[A-Z]/.test(text) || !field ? text : `${String(field).replace(/[_.]/g, " ")} ${text}`;
  const begun = whole[0].toUpperCase() + whole.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function say(text) {
  $("status").textContent = text;
}

function complain(text) {
  const error = $("error");
  error.textContent = text;
  error.hidden = !text;
}

function show(id) {
  for (const part of document.querySelectorAll("main form, main > div, main > section")) {
    if (part.id) part.hidden = part.id !== id && !part.querySelector(`#${id}`);
  }
  complain("");
  $("ways").hidden = true;
  $(id).hidden = false;
}

function finish(text) {
  if (text) $("who").textContent = text;
  show("done");
  say("");
  $("done").focus();
}

// Where a link is of no use any more: a new one, for pages whose link anybody may ask for, and the way to the app.
function leadOn() {
  $("ways").hidden = false;
  const again = $("new-link");
  if (!again || again.dataset.ready) return;
  again.dataset.ready = "1";
  again.addEventListener("click", (event) => {
    event.preventDefault();
    show("anew");
    $("ways").hidden = true;
    $("anew-address").focus();
  });
  on($("anew"), "submit", async () => {
    await post(again.dataset.path, { email: $("anew-address").value.trim() });
    show("sent");
    $("sent").focus();
  });
}

// Runs what a form does, once at a time, and says what went wrong.
function on(form, event, work) {
  form.addEventListener(event, async (happening) => {
    happening.preventDefault();
    const buttons = [...document.querySelectorAll("button")];
    if (buttons.some((button) => button.disabled)) return;
    buttons.forEach((button) => (button.disabled = true));
    complain("");
    say("One moment…");
    try {
      await work();
    } catch (refusal) {
      complain(inWords(refusal));
      if (refusal.kind === "one-time-token-refused") {
        form.closest("form").hidden = true;
        leadOn();
      } else if (refusal.leadsOn) {
        $("ways").hidden = false;
      }
    } finally {
      buttons.forEach((button) => (button.disabled = false));
      say("");
    }
  });
}

function revealing(...fields) {
  $("show").addEventListener("change", (event) => {
    for (const field of fields) field.type = event.target.checked ? "text" : "password";
  });
}

// What follows a first factor: done at once, or after the second factor's form.
function afterSignIn(answer, done) {
  if (answer.status === "signed_in") return done(answer);
  const select = $("method");
  select.replaceChildren();
  for (const method of answer.methods) {
    if (method === "passkey" && !window.PublicKeyCredential) continue;
    const option = document.createElement("option");
    option.value = method;
    option.textContent = METHODS[method] || method;
    select.append(option);
  }
  const challenge = { challenge_token: answer.challenge_token };
  const chosen = () => {
    $("sending").hidden = !SENT.has(select.value);
    $("typed").hidden = select.value === "passkey";
    $("code").required = select.value !== "passkey";
    $("code").inputMode = select.value === "backup_code" || select.value === "password" ? "text" : "numeric";
    $("code").type = select.value === "password" ? "password" : "text";
    $("code").autocomplete = select.value === "password" ? "current-password" : "one-time-code";
    $("code").maxLength = select.value === "password" ? 256 : 40;
    $("typing").textContent = select.value === "password" ? "Password" : "Code";
  };
  select.onchange = chosen;
  chosen();
  show("factor");
  select.focus();
  if ($("factor").dataset.ready) return undefined;
  $("factor").dataset.ready = "1";
  on($("send"), "click", async () => {
    await post("/v1/auth/second-factor/send", { ...challenge, method: select.value });
    $("code").focus();
    $("send").textContent = "Send another code";
  });
  on($("factor"), "submit", async () => {
    let proof = { method: select.value, code: $("code").value.trim() };
    if (select.value === "passkey") proof = { method: "passkey", credential: await passkey(challenge) };
    if (select.value === "password") proof = { method: "password", password: $("code").value };
    const remembered = { remember_device: $("remember").checked };
    await done(await post("/v1/auth/second-factor/verify", { ...challenge, ...proof, ...remembered, ...SIGN_IN }));
  });
  return undefined;
}

// By hand: browsers that have passkeys, but neither parseRequestOptionsFromJSON nor toJSON, are still about.
const fromBase64url = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const toBase64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

async function passkey(challenge) {
  const options = (await post("/v1/auth/second-factor/passkey", challenge)).public_key;
  const ids = (options.allowCredentials || []).map((one) => ({ ...one, id: fromBase64url(one.id) }));
  const publicKey = { ...options, challenge: fromBase64url(options.challenge), allowCredentials: ids };
  let credential;
  try {
    credential = await navigator.credentials.get({ publicKey });
  } catch {
    throw new Refusal({ detail: "The passkey was not used. Try again, or choose another method." });
  }
  const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
  const response = { clientDataJSON, authenticatorData, signature, ...(userHandle && userHandle.byteLength ? { userHandle } : {}) };
  for (const name of Object.keys(response)) response[name] = toBase64url(response[name]);
  const id = toBase64url(credential.rawId);
  return { id, rawId: id, type: credential.type, response };
}

const csrfToken = () => (document.cookie.match(/(?:^|; )__Host-singr_csrf=([^;]+)/) || [])[1];

// Does what the session that this browser keeps may do; an access token that ran out is renewed once.
async function inSession(work) {
  if (csrfToken()) {
    try {
      return await work({ csrf_token: csrfToken() });
    } catch (refusal) {
      if (refusal.status !== 401) throw refusal;
    }
  }
  return work(await post("/v1/auth/refresh", SIGN_IN));
}

const PAGES = {
  "verify-email"() {
    on($("confirm"), "submit", async () => {
      await post("/v1/auth/email/verify", { token });
      finish();
    });
    show("confirm");
  },

  "change-email"() {
    const here = "nothing has changed. If you asked for the change in this browser, sign in here first; otherwise, enter the code from the message where you asked for the change. If you did not ask for it, no action is needed.";
    on($("confirm"), "submit", async () => {
      try {
        await inSession((session) =>
          post("/v1/auth/email/change/confirm", { token }, { "x-csrf-token": session.csrf_token }),
        );
      } catch (refusal) {
        if (refusal.status === 401) throw new Refusal({ detail: `You are not signed in here, so ${here}`, leadsOn: true });
        if (refusal.kind === "not-allowed") throw new Refusal({ detail: `This is not the session that asked for the change, so ${here}`, leadsOn: true });
        throw refusal;
      }
      finish();
    });
    show("confirm");
  },

  "undo-email-change"() {
    on($("confirm"), "submit", async () => {
      await post("/v1/auth/email/change/undo", { token });
      finish();
    });
    show("confirm");
  },

  "reset-password"() {
    const [password, again] = [$("password"), $("again")];
    revealing(password, again);
    on($("reset"), "submit", async () => {
      again.setAttribute("aria-invalid", String(password.value !== again.value));
      if (password.value !== again.value) throw new Refusal({ detail: "The two passwords are not the same. Please type them again." });
      await post("/v1/auth/password/reset", { token, password: password.value });
      password.value = again.value = "";
      finish();
    });
    show("reset");
  },

  magic() {
    on($("confirm"), "submit", async () => {
      afterSignIn(await post("/v1/auth/magic-link/redeem", { token, ...SIGN_IN }), () => finish());
    });
    show("confirm");
  },

  async invitation() {
    say("One moment…");
    const invited = await post("/v1/invitations/preview", { token });
    const who = invited.inviter_name ? `${invited.inviter_name} invites you` : "You are invited";
    $("invitation").textContent = `${who} to join ${invited.organization_name}. The invitation is for ${invited.email}.`;
    say("");
    const joined = () => finish(`You are a member of ${invited.organization_name} now.`);
    if (!invited.has_account) {
      revealing($("password"));
      on($("register"), "submit", async () => {
        const person = { name: $("name").value.trim(), password: $("password").value };
        await post("/v1/invitations/register", { token, ...person });
        joined();
      });
      show("register");
      return;
    }
    $("address").value = invited.email;
    const accept = async (session) => {
      await post("/v1/invitations/accept", { token }, { "x-csrf-token": session.csrf_token });
      joined();
    };
    on($("join"), "submit", async () => {
      const person = { email: invited.email, password: $("current").value };
      const answer = await post("/v1/auth/sign-in", { ...person, ...SIGN_IN });
      $("current").value = "";
      await afterSignIn(answer, accept);
    });
    on($("mail"), "click", async () => {
      await post("/v1/auth/magic-link", { email: invited.email });
      const sent = `A link is on its way to ${invited.email}. Open it in this browser, then come back to this page.`;
      $("session").textContent = sent;
      show("present");
    });
    on($("present"), "submit", async () => {
      try {
        await inSession(accept);
      } catch (refusal) {
        if (refusal.status !== 401) throw refusal;
        throw new Refusal({ detail: "You are not signed in here. Sign in first, then come back to this page.", leadsOn: true });
      }
    });
    $("otherwise").addEventListener("click", () => show("join"));
    show(csrfToken() ? "present" : "join");
  },
};

(async () => {
  if (!token) {
    complain("This link is incomplete. Open it from the message again, or copy all of it.");
    leadOn();
    return;
  }
  try {
    await PAGES[page]();
  } catch (refusal) {
    say("");
    complain(inWords(refusal));
    leadOn();
  }
})();
