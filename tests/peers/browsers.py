"""How the browsers of Debian are started headless on a page: a function each of profile folder and URL, which gives the command
and its environment."""

import json
import os

# Nothing that asks a user, or the rest of the world.
FIREFOX = {
    "app.normandy.enabled": False, "app.update.enabled": False, "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.downloads.enabled": False, "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False, "extensions.getAddons.cache.enabled": False, "geo.enabled": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "network.http.http3.enable": False, "network.websocket.delay-failed-reconnects": False,
    "network.websocket.max-connections": 1000, "services.settings.server": "http://localhost:1/",
    "toolkit.telemetry.enabled": False,
}


def chromium(profile, url, *more):
    # Its sandbox does not work for root, as which tests often run in a container.
    return ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", *more, url], None


def firefox(profile, url, **more):
    with open(os.path.join(profile, "user.js"), "w", encoding="ascii") as file:
        file.writelines(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in {**FIREFOX, **more}.items())
    return (["firefox-esr", "--headless", "--no-remote", "--profile", profile, url],
            {**os.environ, "HOME": profile, "MOZ_HEADLESS": "1"})


BROWSERS = {"chromium": chromium, "firefox-esr": firefox}
