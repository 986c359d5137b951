# One image for both services of docker-compose.yml: Debian's slapd, and mi_ldap.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        curl ldap-utils slapd \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/mi-ldap
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY app.py ./
COPY config ./config
COPY mi_ldap ./mi_ldap
RUN python -m compileall -q app.py mi_ldap \
    && printf '#!/bin/sh\nexec python /opt/mi-ldap/app.py "$@"\n' > /usr/local/bin/mi-ldap \
    && chmod 755 /usr/local/bin/mi-ldap

# Volumes take their owner from these folders.
RUN useradd --system --no-create-home mi-ldap \
    && install -d -o mi-ldap -g mi-ldap -m 0700 /var/lib/mi-ldap /run/mi-ldap
USER mi-ldap

ENV MI_LDAP_STATE_DIR=/var/lib/mi-ldap PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 9164
CMD ["mi-ldap", "serve"]
