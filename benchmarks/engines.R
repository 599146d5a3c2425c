# One timed fit: Rscript engines.R ENGINE DATA FORMULA FAMILY REML; prints a line of JSON.
arguments <- commandArgs(trailingOnly = TRUE)
engine <- arguments[1]
formula <- as.formula(arguments[3])
family <- arguments[4]
reml <- arguments[5] == "True"
package <- if (engine == "clmm") "ordinal" else engine
if (!suppressPackageStartupMessages(suppressWarnings(
  require(package, character.only = TRUE, quietly = TRUE)
))) {
  message(package, " is not installed")
  quit(status = 3)
}
data <- read.csv(arguments[2])
factors <- all.vars(formula)[sapply(all.vars(formula), function(name)
  grepl(paste0("1 | ", name, ")"), arguments[3], fixed = TRUE))]
for (name in factors) data[[name]] <- factor(data[[name]])
if (engine == "clmm") data$y <- factor(data$y, ordered = TRUE)
start <- proc.time()
model <- suppressWarnings(switch(engine,
  lme4 = if (family == "normal") lmer(formula, data, REML = reml) else
    glmer(formula, data, family = binomial),
  clmm = clmm(formula, data),
  glmmTMB = glmmTMB(formula, data, REML = reml,
    family = if (family == "normal") gaussian() else binomial())
))
elapsed <- proc.time() - start
covariances <- VarCorr(model)
if (engine == "glmmTMB") covariances <- covariances$cond
sds <- sapply(factors, function(name) sqrt(covariances[[name]][1, 1]))
cat(sprintf(
  '{"cpu": %.4f, "wall": %.4f, "log_likelihood": %.9f, "sds": [%s]}\n',
  elapsed[["user.self"]] + elapsed[["sys.self"]], elapsed[["elapsed"]],
  as.numeric(logLik(model)), paste(sprintf("%.9f", sds), collapse = ", ")
))
