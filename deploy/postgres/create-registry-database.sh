#!/bin/sh
# Runs once, when the postgres image makes its cluster: the schema registry's own database and login.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 --set "password=$REGISTRY_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE registry LOGIN PASSWORD :'password';
CREATE DATABASE registry OWNER registry;
SQL
