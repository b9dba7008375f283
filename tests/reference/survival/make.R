# Numbers of R's package survival for the trials in data.csv: `Rscript make.R` in this folder.
# Everything is written with 17 digits; NA is undefined.
library(survival)

CONF_TYPES <- c("plain", "log", "log-log")
MOST_ROWS <- 200  # of a curve: the largest ones are thinned, evenly and with their last row

data <- read.csv("data.csv", stringsAsFactors = FALSE,
                 colClasses = c("character", "numeric", "integer", "character", "character"))

digits <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "NA")

write_rows <- function(rows, file) {
  numeric <- sapply(rows, is.double)
  rows[numeric] <- lapply(rows[numeric], digits)
  write.csv(rows, file, row.names = FALSE, quote = FALSE, na = "NA")
}

thinned <- function(n) if (n <= MOST_ROWS) seq_len(n) else unique(round(seq(1, n, length.out = MOST_ROWS)))

limits <- function(fits, get) {
  columns <- lapply(fits, function(fit) data.frame(lower = get(fit$lower), upper = get(fit$upper)))
  names <- as.vector(outer(c("lower", "upper"), CONF_TYPES, function(side, type) paste(type, side)))
  setNames(do.call(cbind, columns), gsub("[ -]", "_", names))
}

kaplan_meier <- function(trial) {
  lapply(CONF_TYPES, function(type) survfit(Surv(time, cause >= 0) ~ 1, trial, conf.type = type))
}

curve <- function(name, trial) {
  fits <- kaplan_meier(trial)
  points <- lapply(fits, summary, censored = TRUE)
  one <- points[[1]]
  rows <- cbind(
    data.frame(trial = name, time = one$time, at_risk = one$n.risk, events = one$n.event,
               survival = one$surv, std_error = one$std.err),
    limits(points, identity))
  rows[thinned(nrow(rows)), ]
}

readings <- function(name, trial) {
  last <- max(trial$time)
  times <- sort(unique(c(0, last / 4, sort(trial$time)[(nrow(trial) + 1) %/% 2], 0.7 * last, last, 1.5 * last + 1)))
  fits <- kaplan_meier(trial)
  points <- lapply(fits, summary, times = times, extend = TRUE)
  one <- points[[1]]
  cbind(
    data.frame(trial = name, time = one$time, followed = one$time <= max(fits[[1]]$time), at_risk = one$n.risk,
               survival = one$surv, std_error = one$std.err),
    limits(points, identity))
}

medians <- function(name, trial) {
  rows <- lapply(seq_along(CONF_TYPES), function(i) {
    fit <- kaplan_meier(trial)[[i]]
    printed <- summary(fit)$table
    quantiles <- quantile(fit, 0.5)
    data.frame(trial = name, conf_type = CONF_TYPES[i],
               median = printed[["median"]], lower = printed[["0.95LCL"]], upper = printed[["0.95UCL"]],
               quantile = quantiles$quantile[[1]], quantile_lower = quantiles$lower[[1]],
               quantile_upper = quantiles$upper[[1]])
  })
  do.call(rbind, rows)
}

# Reverse Kaplan-Meier: follow-up ends at a censoring, and is censored by an event.
follow_ups <- function(name, trial) {
  fit <- survfit(Surv(time, cause < 0) ~ 1, trial, conf.type = "log-log")
  printed <- summary(fit)$table
  data.frame(trial = name, median = printed[["median"]], lower = printed[["0.95LCL"]], upper = printed[["0.95UCL"]])
}

incidences <- function(name, trial) {
  causes <- max(0, trial$cause)
  state <- factor(trial$cause, -1:causes, c("censored", 0:causes))
  fits <- lapply(CONF_TYPES, function(type) survfit(Surv(trial$time, state) ~ 1, conf.type = type))
  fit <- fits[[1]]
  rows <- lapply(0:causes, function(cause) {
    column <- match(as.character(cause), fit$states)
    if (is.na(column)) return(NULL)
    cbind(
      data.frame(trial = name, cause = cause, time = fit$time, survival = fit$pstate[, 1],
                 incidence = fit$pstate[, column], std_error = fit$std.err[, column]),
      limits(fits, function(x) x[, column]))[thinned(length(fit$time)), ]
  })
  do.call(rbind, rows)
}

log_ranks <- function(name, trial) {
  if (trial$group[1] == "") return(NULL)
  test <- function(formula, stratified) {
    result <- tryCatch(survdiff(formula, trial), error = function(e) NULL)
    if (is.null(result)) return(data.frame(trial = name, stratified, group = unique(trial$group), observed = NA_real_,
                                           expected = NA_real_, chisq = NA_real_, df = NA_real_, p = NA_real_))
    data.frame(trial = name, stratified, group = sort(unique(trial$group)),
               observed = rowSums(as.matrix(result$obs)), expected = rowSums(as.matrix(result$exp)),
               chisq = result$chisq, df = sum(rowSums(as.matrix(result$exp)) > 0) - 1, p = result$pvalue)
  }
  plain <- test(Surv(time, cause >= 0) ~ group, FALSE)
  if (trial$stratum[1] == "") return(plain)
  rbind(plain, test(Surv(time, cause >= 0) ~ group + strata(stratum), TRUE))
}

each_trial <- function(make) {
  do.call(rbind, lapply(unique(data$trial), function(name) make(name, data[data$trial == name, ])))
}

write_rows(each_trial(curve), "kaplan_meier.csv")
write_rows(each_trial(readings), "readings.csv")
write_rows(each_trial(medians), "medians.csv")
write_rows(each_trial(follow_ups), "follow_up.csv")
write_rows(each_trial(incidences), "incidences.csv")
write_rows(each_trial(log_ranks), "log_rank.csv")
writeLines(c(R.version.string, paste("survival", packageVersion("survival"))), "versions.txt")
