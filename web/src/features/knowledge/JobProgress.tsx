/** A job as it runs: done of total, rate, time left, cost so far, and a way to cancel. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { post, segment } from "../../api/client";
import { jobQuery } from "../../api/queries";
import { parseProblem, type ApiError } from "../../api/errors";
import type { Job } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { cost, count, duration } from "../../kit/format";
import { Button, Status } from "../../kit/parts";
import { useNamed, useText } from "../../messages";

export const isRunning = (job: Job): boolean => job.status === "running" || job.status === "queued";

export function jobError(job: Job): ApiError | null {
  return job.error ? parseProblem(0, job.error) : null;
}

function ProgressFacts({ job }: { job: Job }) {
  const text = useText();
  const progress = job.progress;
  if (!progress) return null;
  const unit = progress.unit || text("job.unit");
  return (
    <span className="facts">
      <span className="num">{progress.total ? text("job.of", { done: count(progress.done), total: count(progress.total), unit }) : `${count(progress.done)} ${unit}`}</span>
      {progress.rate ? <span className="num">{text("job.rate", { rate: progress.rate < 10 ? progress.rate.toFixed(1) : count(progress.rate), unit })}</span> : null}
      {isRunning(job) && progress.eta_s ? <span className="num">{text("job.left", { time: duration(progress.eta_s * 1000) })}</span> : null}
      {progress.cost_usd ? <span className="num">{cost(progress.cost_usd)}</span> : null}
      {progress.message && <span className="muted">{progress.message}</span>}
    </span>
  );
}

export function JobRow({ job }: { job: Job }) {
  const text = useText();
  const named = useNamed();
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => post(`/api/jobs/${segment(job.id)}/cancel`),
    onSettled: () => client.invalidateQueries({ queryKey: ["jobs"] }),
  });
  const progress = job.progress;
  const share = progress?.total ? Math.min(1, progress.done / progress.total) : undefined;
  const failure = jobError(job);
  return (
    <div className="job">
      <div className="job-head">
        <Status value={job.status} />
        <span>{named("job", job.kind)}</span>
        <span className="mono muted">{job.subject}</span>
        <ProgressFacts job={job} />
        {isRunning(job) && (
          <Button disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            {text("job.cancel")}
          </Button>
        )}
      </div>
      {isRunning(job) && (
        <div className="bar" role="progressbar" aria-label={named("job", job.kind)} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === undefined ? undefined : Math.round(share * 100)}>
          <span style={{ width: `${(share ?? 0) * 100}%` }} />
        </div>
      )}
      {failure && <ErrorNote error={failure} what={text("job.failed")} />}
      {cancel.error && <ErrorNote error={cancel.error} />}
    </div>
  );
}

/** Follows one job; `onEnd` is called once when it stops running. */
export function JobProgress({ id, onEnd }: { id: string; onEnd: (job: Job) => void }) {
  const job = useQuery(jobQuery(id));
  const ended = useRef("");
  const status = job.data?.status;
  useEffect(() => {
    if (!job.data || isRunning(job.data) || ended.current === job.data.id) return;
    ended.current = job.data.id;
    onEnd(job.data);
  }, [status, job.data, onEnd]);
  if (job.error) return <ErrorNote error={job.error} />;
  return job.data ? <JobRow job={job.data} /> : null;
}
