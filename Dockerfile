# Verbatim on Node 22: built with everything, run with what is needed, by a user that is not root. No secret is in it.
ARG NODE_IMAGE=node:22.22.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Binaries come with the packages: no script of theirs is run.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY web web
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production DATA_DIR=/var/lib/verbatim
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/verbatim
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY bin bin
COPY deploy/health.js deploy/health.js
COPY examples examples
USER node
VOLUME /var/lib/verbatim
EXPOSE 3000 3001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 CMD ["node", "deploy/health.js", "/health/live"]
ENTRYPOINT ["node", "bin/verbatim.js"]
CMD ["serve"]
