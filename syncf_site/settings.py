"""Django's settings. What differs between installations the environment decides (env.py); the rest is said here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from storage_backends import CHATTY_LOGGERS
from syncf_site import databases, env

VERSION = "0.1.0"

_environment = env.load()
ROOT = env.ROOT

# ── What the data plane reads ─────────────────────────────────────────────────────────────────────────────────

BROKER_URL = _environment.broker_url
BASE_PATH = _environment.base_path
ALLOW_WHOLE_MACHINE = _environment.allow_whole_machine
#: Alias → URL. Not Django's STORAGES, which are for the site's own static files.
STORAGES_CONFIGURED = _environment.storages

# ── The site ──────────────────────────────────────────────────────────────────────────────────────────────────

SECRET_KEY = _environment.secret_key
DEBUG = _environment.debug
ALLOWED_HOSTS = _environment.allowed_hosts

INSTALLED_APPS = [
    "jobs.apps.JobsConfig",
    "transfers.apps.TransfersConfig",
    # The site fills it (urls.py), so that only the web waits for the admin's modules and the API's.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
]

MIDDLEWARE = [
    "jobs.hanging_up.after_trouble",
    "django.middleware.security.SecurityMiddleware",
    "syncf_site.security.content_security_policy",
    "syncf_site.security.too_many_logins",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "syncf_site.urls"
WSGI_APPLICATION = "syncf_site.wsgi.application"
#: The API's addresses have no trailing slash and are matched with one too; a redirect would lose the body of a POST.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [env.ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "syncf_site.formats"

STATIC_URL = "static/"
STATIC_ROOT = env.ROOT / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Names without hashes: a page renders before `collectstatic` has ever run.
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# ── Database and cache ────────────────────────────────────────────────────────────────────────────────────────

# Never ATOMIC_REQUESTS: on SQLite every GET would take the write lock.
DATABASES = {"default": databases.configure(_environment.database_url, env.ROOT)}
if Path(DATABASES["default"]["NAME"]).parent == env.ROOT / "var":
    # Only ours: a directory that an operator names and that is missing may be a disk that is not mounted.
    (env.ROOT / "var").mkdir(mode=0o700, exist_ok=True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# ── Security ──────────────────────────────────────────────────────────────────────────────────────────────────

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
#: Counts logins in the database, so that several web processes count together.
AUTHENTICATION_BACKENDS = ["jobs.logins.LimitedLogin"]
#: Whose X-Forwarded-For is believed when logins and refused keys are counted by address.
TRUSTED_PROXIES = _environment.trusted_proxies
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

CSRF_TRUSTED_ORIGINS = _environment.csrf_trusted_origins
DEFAULT_EXCEPTION_REPORTER_FILTER = "syncf_site.security.Reporter"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _environment.secure
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _environment.secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _environment.secure
#: The proxy that ends TLS sets (and must overwrite) this header; gunicorn listens where only the proxy reaches it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _environment.secure else None
#: Load balancers ask over plain http.
SECURE_REDIRECT_EXEMPT = [r"^health/?$"]

# ── API ───────────────────────────────────────────────────────────────────────────────────────────────────────

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "jobs.api.authentication.ApiTokens",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["jobs.api.permissions.DeclaredPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["jobs.api.throttling.PerUser"],
    "DEFAULT_PAGINATION_CLASS": "jobs.api.pagination.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "jobs.api.errors.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

API_REQUESTS_PER_MINUTE = _environment.api_requests_per_minute

REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Token",
    "SECURE_HASH_ALGORITHM": "hashlib.sha512",
    "TOKEN_TTL": timedelta(days=_environment.api_token_days),
    "AUTO_REFRESH": False,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "SyncF",
    "DESCRIPTION": "Keeps a sink identical to a source, and proves it.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["jobs.api.schema.drop_optional_slash"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "jobs.api.schema.add_problems",
    ],
}

METRICS_TOKEN = _environment.metrics_token

# ── Notifications ─────────────────────────────────────────────────────────────────────────────────────────────

WEBHOOKS = _environment.webhooks
WEBHOOK_ORIGINS = _environment.webhook_origins
WEBHOOK_SECRET = _environment.webhook_secret
NOTIFY_EMAILS = _environment.notify_emails
SENDS_EMAIL = bool(_environment.email)
DEFAULT_FROM_EMAIL = _environment.email_from
globals().update(_environment.email)

# ── Logging ───────────────────────────────────────────────────────────────────────────────────────────────────

_FORMATTERS = {
    "text": {"()": "storage_backends.logs.OneLine", "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    "json": {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s",
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger", "process": "pid"},
    },
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {_environment.log_format: _FORMATTERS[_environment.log_format]},  # each one named is imported
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": _environment.log_format}},
    "root": {"handlers": ["stderr"], "level": _environment.log_level},
    "loggers": {
        # Django's own handlers (console in DEBUG, mail to admins) would say everything twice.
        "django": {"handlers": [], "propagate": True},
        # These report each step of every connection at INFO.
        **{name: {"level": "WARNING"} for name in ("pika", *CHATTY_LOGGERS)},
    },
}
